//! Names as they are compared in a search, whatever letters they have: the databases fold the case of ASCII letters alone, or of
//! those that their locale knows. The index of messages folds accents as well, so it is filled anew by the indexer.

use entity::{fold::fold, room::search_key};
use sea_orm_migration::{
    prelude::*,
    schema::text_null,
    sea_orm::{DbBackend, prelude::Uuid},
};

/// What makes the indexer begin anew.
const CURSORS: &str = "UPDATE search_rooms SET indexed_seq = 0";

/// Rows that are read at a time.
const PAGE: u64 = 1000;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in [("users", "name_key"), ("rooms", "search_key")] {
            manager.alter_table(Table::alter().table(table).add_column(text_null(column)).to_owned()).await?;
        }
        fill(manager, ["one", "other"], "users", ["full_name", "full_name"], "name_key", |name, _| name.map(fold))
            .await?;
        fill(manager, ["one", "other"], "rooms", ["name", "description"], "search_key", search_key).await?;
        index_anew(manager, CURSORS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in [("users", "name_key"), ("rooms", "search_key")] {
            manager.alter_table(Table::alter().table(table).drop_column(column).to_owned()).await?;
        }
        index_anew(manager, CURSORS).await
    }
}

/// Gives every row of a table the key that two of its texts make. `called` are names for these: PostgreSQL knows a statement by its
/// text, and would refuse the same one again after the type of a column has changed.
pub(crate) async fn fill(
    manager: &SchemaManager<'_>,
    called: [&'static str; 2],
    table: &'static str,
    [one, other]: [&'static str; 2],
    key: &'static str,
    make: impl Fn(Option<&str>, Option<&str>) -> Option<String>,
) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let mut after = Uuid::nil();
    loop {
        let page = Query::select()
            .column("id")
            .expr_as(Expr::col(one), called[0])
            .expr_as(Expr::col(other), called[1])
            .from(table)
            .and_where(Expr::col("id").gt(after))
            .order_by("id", Order::Asc)
            .limit(PAGE)
            .to_owned();
        let rows = db.query_all(&page).await?;
        for row in &rows {
            after = row.try_get("", "id")?;
            let (one, other): (Option<String>, Option<String>) =
                (row.try_get("", called[0])?, row.try_get("", called[1])?);
            let Some(made) = make(one.as_deref(), other.as_deref()) else { continue };
            let change = Query::update().table(table).value(key, made).and_where(Expr::col("id").eq(after)).to_owned();
            db.execute(&change).await?;
        }
        if (rows.len() as u64) < PAGE {
            return Ok(());
        }
    }
}

/// Empties the index of messages, and says so in its cursors. On SQLite a new table takes the place of the old one, which would be emptied word by word.
pub(crate) async fn index_anew(manager: &SchemaManager<'_>, cursors: &'static str) -> Result<(), DbErr> {
    let mut statements = vec!["DELETE FROM search_documents", cursors];
    if manager.get_database_backend() == DbBackend::Sqlite {
        statements.extend([
            "DROP TABLE message_search",
            "CREATE VIRTUAL TABLE message_search USING fts5(room, content, tokenize='trigram')",
            "INSERT INTO message_search (message_search, rank) VALUES ('secure-delete', 1)",
        ]);
    }
    for statement in statements {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}
