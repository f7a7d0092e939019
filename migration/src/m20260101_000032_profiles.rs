//! When each profile last changed, and an order of read marks by time: for nodes and clients that were away.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let change = big_integer_null("profile_changed_at");
        manager.alter_table(Table::alter().table("users").add_column(change).to_owned()).await?;
        let changes =
            Index::create().name("users_by_profile_change").table("users").col("profile_changed_at").to_owned();
        manager.create_index(changes).await?;
        // Only nodes that share a database look for what others marked; SQLite has one.
        if manager.get_database_backend() == DbBackend::Postgres {
            let marks = Index::create().name("read_marks_by_time").table("read_marks").col("read_at").to_owned();
            manager.create_index(marks).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::Postgres {
            manager.drop_index(Index::drop().name("read_marks_by_time").table("read_marks").to_owned()).await?;
        }
        manager.drop_index(Index::drop().name("users_by_profile_change").table("users").to_owned()).await?;
        manager.alter_table(Table::alter().table("users").drop_column("profile_changed_at").to_owned()).await?;
        Ok(())
    }
}
