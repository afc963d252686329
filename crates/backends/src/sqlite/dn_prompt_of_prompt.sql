-- Whoever removes a prompt looks whether an announcement plays it.
CREATE INDEX dn_prompt_of_prompt ON dn_prompt (tenant, prompt);
