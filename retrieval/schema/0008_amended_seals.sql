-- An erasure empties comments of days that are sealed, and seals these days once more.
;;
alter table seal drop constraint seal_kind_check
;;
alter table seal add constraint seal_kind_check check (kind in ('day', 'drop', 'amend'))
