// The CDS Hooks client of @medplum/core discovers every service, fills its prefetch from the FHIR server and
// calls it; prints one JSON object of what came back.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [modules, address, patientId, draftsFile] = process.argv.slice(2);
globalThis.WebSocket ??= class {}; // a name it looks for that Node has since 22
const { MedplumClient, buildCdsRequest } = createRequire(`${modules}/`)('@medplum/core');
const client = new MedplumClient({
  baseUrl: `${address}/`,
  fhirUrlPath: 'fhir/',
  cdsServicesUrl: 'cds-services',
  cacheTime: 0,
});
const user = { resourceType: 'Practitioner', id: 'demo' };
const { context } = JSON.parse(readFileSync(draftsFile, 'utf8'));
const draftOrders = JSON.parse(JSON.stringify(context.draftOrders).replaceAll(context.patientId, patientId));
const selections = draftOrders.entry.map(({ resource }) => `${resource.resourceType}/${resource.id}`);
const common = { userId: 'Practitioner/demo', patientId };
const contexts = {
  'patient-view': common,
  'order-select': { ...common, draftOrders, selections },
  'order-sign': { ...common, draftOrders },
  'appointment-book': { ...common, appointments: { resourceType: 'Bundle', type: 'collection', entry: [] } },
  'encounter-start': { ...common, encounterId: 'e1' },
  'encounter-discharge': { ...common, encounterId: 'e1' },
};

const said = {};
for (const service of (await client.getCdsServices()).services) {
  const request = await buildCdsRequest(client, user, service, contexts[service.hook]);
  const { cards } = await client.callCdsService(service.id, request);
  said[`${service.id} on ${service.hook}`] = {
    cards: cards.length,
    complete: cards.every((card) => card.summary && card.indicator && card.source.label && card.uuid),
    prefetched: Object.values(request.prefetch).filter(Boolean).length,
  };
}
console.log(JSON.stringify(said));
