-- Whoever removes a prompt looks whether an announcement plays it. A step of its own: while the table is read for it nobody writes there,
-- and no other table is held.
CREATE INDEX dn_prompt_of_prompt ON dn_prompt (tenant, prompt);
