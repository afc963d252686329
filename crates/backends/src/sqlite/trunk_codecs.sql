-- The codecs that are spoken with a trunk's carrier, as "PCMA PCMU", the most wanted first. Absent means the tenant's.
ALTER TABLE trunk ADD COLUMN codecs TEXT;
