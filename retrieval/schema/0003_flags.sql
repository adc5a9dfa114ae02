-- What the screener found in a passage, in the spaces that are there already; new ones have the column from space.sql.
;;
do $$
declare
    v_space int;
begin
    for v_space in select id from space loop
        if to_regclass(format('space_%s.chunk', v_space)) is not null then
            execute format(
                'alter table space_%s.chunk add column if not exists flags text[] not null default ''{}''', v_space);
        end if;
    end loop;
end
$$
