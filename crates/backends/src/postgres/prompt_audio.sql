-- Uploaded audio of prompts. A prompt names its recordings, a list of objects (JSON) with language and SHA-256; the empty text is none.
ALTER TABLE prompt ADD COLUMN audio TEXT NOT NULL DEFAULT '';
