//! Read receipts: one row an advance of a read mark.

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
            .alter_table(Table::alter().table("users").add_column(boolean("shares_receipts").default(true)).to_owned())
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("read_marks")
                    .col(uuid("room_id"))
                    .col(uuid("user_id"))
                    .col(big_integer("seq"))
                    .col(big_integer("from_seq"))
                    .col(big_integer("read_at"))
                    .primary_key(Index::create().col("room_id").col("user_id").col("seq"))
                    .foreign_key(ForeignKey::create().from("read_marks", "room_id").to("rooms", "id"))
                    .to_owned(),
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("read_marks").to_owned()).await?;
        manager.alter_table(Table::alter().table("users").drop_column("shares_receipts").to_owned()).await?;
        Ok(())
    }
}
