-- The latest of a tenant.
CREATE INDEX people_import_of_tenant ON people_import (tenant, begun_ms, id);
