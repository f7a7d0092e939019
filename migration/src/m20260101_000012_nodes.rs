//! The nodes that share a database, and who is connected to which.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("nodes")
                    .col(pk_uuid("id"))
                    .col(big_integer("seen_at"))
                    .col(big_integer("expires_at"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("presences")
                    .col(uuid("user_id"))
                    .col(uuid("node_id"))
                    .col(string_len("status", 32))
                    .primary_key(Index::create().col("user_id").col("node_id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(Index::create().name("presences_by_node").table("presences").col("node_id").to_owned())
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("presences").to_owned()).await?;
        manager.drop_table(Table::drop().table("nodes").to_owned()).await
    }
}
