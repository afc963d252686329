-- The recordings that prompts name: WAV files in base64, each once for a tenant however many prompts name it, those of before as well. One goes
-- with its tenant, or when there is no room and nothing names it any more. A step of its own: who waits for the table of tenants holds no
-- other one.
CREATE TABLE prompt_audio (
    tenant TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL,
    kept_ms BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    wav TEXT NOT NULL,
    PRIMARY KEY (tenant, sha256)
);
