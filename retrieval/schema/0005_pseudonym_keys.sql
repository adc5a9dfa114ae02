-- Ids of the keys that the pseudonyms of a release were made under; null for releases from before keys had ids.
;;
alter table release add column pseudonym_keys text[]
