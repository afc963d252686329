-- What holds for agents. Absent is the default of the program; 0 and 1 are no and yes.
ALTER TABLE tenant ADD COLUMN no_answer_action TEXT;
ALTER TABLE tenant ADD COLUMN legal_guard_s INTEGER;
ALTER TABLE tenant ADD COLUMN logout_on_out_of_service INTEGER;
ALTER TABLE tenant ADD COLUMN auto_logout_min INTEGER;
ALTER TABLE tenant ADD COLUMN auto_logout_ready INTEGER;
ALTER TABLE tenant ADD COLUMN untimed_wrap_up_s INTEGER;
ALTER TABLE tenant ADD COLUMN timed_acw_in_idle INTEGER;
ALTER TABLE tenant ADD COLUMN acw_in_idle_force_ready INTEGER;
ALTER TABLE person ADD COLUMN no_answer_action TEXT;
ALTER TABLE person ADD COLUMN legal_guard_s INTEGER;
ALTER TABLE dn ADD COLUMN wrap_up_s INTEGER;
