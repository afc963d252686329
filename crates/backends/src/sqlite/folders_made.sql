-- Who reads the history of what is in folders sees what is no older than they are: what made them is found without their other entries.
CREATE INDEX change_log_of_folders_made ON change_log (tenant, kind, id, revision)
    WHERE kind = 'folder' AND document_before IS NULL;
