-- At which host names a tenant is meant, so that no two tenants have the same one. The tenant's own list of them stands in tenant.sign_in, which
-- counts for what is shown and exported; this is what it was when it was written last.
CREATE TABLE tenant_host (
    host TEXT PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE
);
CREATE INDEX tenant_host_of_tenant ON tenant_host (tenant);
