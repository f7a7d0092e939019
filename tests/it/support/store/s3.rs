//! S3 in this process: every request must be signed, presigned ones too. A bucket is a folder.

use std::{convert::Infallible, net::Ipv4Addr};

use axum::{Router, error_handling::HandleError, http::StatusCode};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::AbortHandle};

use super::{ACCESS_KEY, BUCKET, SECRET_KEY, Started, files_under};

pub(super) struct S3 {
    root: TempDir,
    task: AbortHandle,
}

impl S3 {
    pub(super) async fn start() -> Started<Self> {
        let root = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(root.path().join(BUCKET)).expect("the folder is empty");
        let files = FileSystem::new(root.path()).expect("the folder is there");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = HandleError::new(service.build(), async |error: s3s::HttpError| {
            Ok::<_, Infallible>((StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}")))
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let serve = axum::serve(listener, Router::new().fallback_service(service)).into_future();
        let task = tokio::spawn(serve).abort_handle();
        Started { inside: Self { root, task }, addr }
    }

    pub(super) fn keys(&self) -> Vec<String> {
        files_under(&self.root.path().join(BUCKET))
    }

    /// What lies beside the bucket, but for notes about objects: parts of uploads, and files that are being written.
    pub(super) fn parts(&self) -> Vec<String> {
        let is_part = |name: &String| !name.starts_with(&format!("{BUCKET}/")) && !name.ends_with(".json");
        files_under(self.root.path()).into_iter().filter(is_part).collect()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.task.abort();
    }
}
