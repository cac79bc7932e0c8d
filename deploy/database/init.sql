-- A database and a role for each service, so that none can read another's. Run once, as superuser, by psql:
--   ISODOSE_DATABASE_PASSWORD=... psql -v ON_ERROR_STOP=1 -f init.sql
-- All roles get this one password here; a site gives each its own afterwards (ALTER ROLE ... PASSWORD).
\set ON_ERROR_STOP on
\getenv password ISODOSE_DATABASE_PASSWORD
\if :{?password}
\else
  \warn 'ISODOSE_DATABASE_PASSWORD is not set'
  SELECT 1/0 AS "ISODOSE_DATABASE_PASSWORD is not set";
\endif

CREATE ROLE ehr_ingestion LOGIN PASSWORD :'password';
CREATE DATABASE ehr_ingestion OWNER ehr_ingestion;
REVOKE ALL ON DATABASE ehr_ingestion FROM PUBLIC;

CREATE ROLE eligibility_scoring LOGIN PASSWORD :'password';
CREATE DATABASE eligibility_scoring OWNER eligibility_scoring;
REVOKE ALL ON DATABASE eligibility_scoring FROM PUBLIC;

CREATE ROLE are_surveillance LOGIN PASSWORD :'password';
CREATE DATABASE are_surveillance OWNER are_surveillance;
REVOKE ALL ON DATABASE are_surveillance FROM PUBLIC;

CREATE ROLE ici_steroid_alerts LOGIN PASSWORD :'password';
CREATE DATABASE ici_steroid_alerts OWNER ici_steroid_alerts;
REVOKE ALL ON DATABASE ici_steroid_alerts FROM PUBLIC;

CREATE ROLE worklist LOGIN PASSWORD :'password';
CREATE DATABASE worklist OWNER worklist;
REVOKE ALL ON DATABASE worklist FROM PUBLIC;
