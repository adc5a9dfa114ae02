-- A row of the log bears the time when it is written, not when its transaction began: that may lie days back, in one that is
-- sealed. Sealing waits for transactions that have written and not ended.
;;
alter table audit alter column at set default clock_timestamp()
;;
alter table feedback alter column at set default clock_timestamp()
