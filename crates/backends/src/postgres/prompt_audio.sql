-- Uploaded audio of prompts. A prompt names its recordings, a list of objects (JSON) with language and SHA-256; the empty text is none.
ALTER TABLE prompt ADD COLUMN audio TEXT NOT NULL DEFAULT '';
-- The recordings: WAV files in base64, each once for a tenant however many prompts name it, those of before as well. One goes with its
-- tenant, or when there is no room and nothing names it any more.
CREATE TABLE prompt_audio (
    tenant TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL,
    kept_ms BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    wav TEXT NOT NULL,
    PRIMARY KEY (tenant, sha256)
);
