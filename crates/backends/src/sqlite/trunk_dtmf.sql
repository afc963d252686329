-- How keys go to a trunk's carrier and come from it: events, info or tones. Absent means as is negotiated.
ALTER TABLE trunk ADD COLUMN dtmf TEXT;
