-- Entries that are too old are found by their time, whatever stands before them.
CREATE INDEX change_log_of_time ON change_log (tenant, changed_ms, number);
