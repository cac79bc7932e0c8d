// Drives fhir-kit-client against a base URL and prints one JSON object of what came back.
import { pathToFileURL } from 'node:url';

const [modules, baseUrl] = process.argv.slice(2);
const { Client } = await import(pathToFileURL(`${modules}/fhir-kit-client/dist/client.js`));
const client = new Client({ baseUrl });
const said = {};

said.version = (await client.capabilityStatement()).fhirVersion;
const made = await client.create({
  resourceType: 'Patient',
  body: { resourceType: 'Patient', name: [{ family: 'Kit' }] },
});
const id = made.id;
said.read = (await client.read({ resourceType: 'Patient', id })).name[0].family;
said.updated = (
  await client.update({ resourceType: 'Patient', id, body: { ...made, gender: 'female' } })
).meta.versionId;
said.patched = (
  await client.patch({
    resourceType: 'Patient',
    id,
    jsonPatch: [{ op: 'replace', path: '/gender', value: 'other' }],
  })
).gender;
said.history = (await client.history({ resourceType: 'Patient', id })).entry.length;
said.typeHistory = (await client.history({ resourceType: 'Patient' })).type;
said.systemHistory = (await client.history()).type;
said.vread = (await client.vread({ resourceType: 'Patient', id, version: '1' })).meta.versionId;

const first = await client.search({ resourceType: 'Observation', searchParams: { _count: 2 } });
const second = await client.nextPage({ bundle: first });
said.pages = [first.entry.length, second.entry.length];
const posted = await client.search({
  resourceType: 'Patient',
  searchParams: { _id: id },
  options: { postSearch: true },
});
said.posted = posted.total;
const get = { request: { method: 'GET', url: `Patient/${id}` } };
said.batch = (await client.batch({ body: { resourceType: 'Bundle', type: 'batch', entry: [get] } })).type;
said.transaction = (
  await client.transaction({ body: { resourceType: 'Bundle', type: 'transaction', entry: [get] } })
).type;
said.everything = (
  await client.operation({ name: 'everything', resourceType: 'Patient', id, method: 'get' })
).resourceType;
await client.delete({ resourceType: 'Patient', id });
try {
  await client.read({ resourceType: 'Patient', id });
} catch (error) {
  said.gone = error.response?.status ?? String(error);
}
console.log(JSON.stringify(said));
