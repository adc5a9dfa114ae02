-- The planner tells what it knows of a table to everybody who may explain a statement over it: of texts it knows nothing. What it
-- knows already is forgotten where the server can (PostgreSQL 18).
;;
do $$
declare
    v_table record; v_column text;
begin
    for v_table in
        select n.nspname, c.relname,
               case when c.relname ~ '^posting' then '{post}' when c.relname ~ '^chunk' then '{text,text_sha256,chunk_id,digest,heading,speaker,flags,embedding}' else '{document_id,digest,path,title,authors,tags,url,published}' end::text[] as columns
        from pg_class c join pg_namespace n on n.oid = c.relnamespace join space s on n.nspname = 'space_' || s.id
        where c.relkind in ('r', 'p') and c.relname ~ '^(document|chunk|posting)(_[0-9]+)?$'
    loop
        foreach v_column in array v_table.columns loop
            execute format('alter table %I.%I alter column %I set statistics 0',
                           v_table.nspname, v_table.relname, v_column);
            if to_regprocedure('pg_clear_attribute_stats(text,text,text,boolean)') is not null then
                execute format('select pg_clear_attribute_stats(%L, %L, %L, i) from unnest(array[false, true]) i',
                               v_table.nspname, v_table.relname, v_column);
            end if;
        end loop;
    end loop;
end
$$
