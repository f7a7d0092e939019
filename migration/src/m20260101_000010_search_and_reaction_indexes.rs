//! Ways to what is one room's or one person's: the search documents of a room (on SQLite the rooms are part of the index of words),
//! and the reactions of a user.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_index(
                Index::create()
                    .name("reactions_by_user")
                    .table("reactions")
                    .col("user_id")
                    .col("message_id")
                    .to_owned(),
            )
            .await?;
        if manager.get_database_backend() == DbBackend::Sqlite {
            return Ok(());
        }
        let by_room = Index::create()
            .name("search_documents_by_room")
            .table("search_documents")
            .col("room_id")
            .col("id")
            .to_owned();
        manager.create_index(by_room).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("reactions_by_user").table("reactions").to_owned()).await?;
        if manager.get_database_backend() == DbBackend::Sqlite {
            return Ok(());
        }
        let by_room = Index::drop().name("search_documents_by_room").table("search_documents").to_owned();
        manager.drop_index(by_room).await
    }
}
