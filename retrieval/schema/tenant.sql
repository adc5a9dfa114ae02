-- Partitions of one tenant in one space; policies and grants stand on the parents and on each partition.
;;
create table {schema}.document_{tenant} partition of {schema}.document for values in ({tenant})
;;
create table {schema}.chunk_{tenant} partition of {schema}.chunk for values in ({tenant})
;;
create table {schema}.posting_{tenant} partition of {schema}.posting for values in ({tenant})
;;
create table {schema}.stat_{tenant} partition of {schema}.stat for values in ({tenant})
;;
create table {schema}.mask_{tenant} partition of {schema}.mask for values in ({tenant})
;;
-- Texts are read k at a time and vectors all the time: keep the vector in the row.
alter table {schema}.chunk_{tenant} alter column embedding set storage plain
;;
alter table {schema}.chunk_{tenant}
    alter column text set statistics 0,
    alter column text_sha256 set statistics 0,
    alter column chunk_id set statistics 0,
    alter column digest set statistics 0,
    alter column heading set statistics 0,
    alter column speaker set statistics 0,
    alter column flags set statistics 0,
    alter column embedding set statistics 0
;;
alter table {schema}.document_{tenant}
    alter column document_id set statistics 0,
    alter column digest set statistics 0,
    alter column path set statistics 0,
    alter column title set statistics 0,
    alter column authors set statistics 0,
    alter column tags set statistics 0,
    alter column url set statistics 0,
    alter column published set statistics 0
;;
alter table {schema}.posting_{tenant} alter column post set statistics 0
