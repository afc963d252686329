-- What is too old.
CREATE INDEX people_import_by_age ON people_import (begun_ms);
