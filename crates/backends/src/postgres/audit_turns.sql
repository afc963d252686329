-- Tenants take turns when what waits gets into the reporting log: which ones wait, and the first changes of one, are found at once.
CREATE INDEX audit_outbox_of_tenant ON audit_outbox (what, tenant, record);
