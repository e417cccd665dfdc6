//! A file that breaks under a running process: it is said, and nothing more is stored.

use std::os::unix::fs::FileExt as _;

use loopfour_store::Trouble;

use super::*;

#[tokio::test]
async fn a_file_that_breaks_is_noticed_and_nothing_more_is_stored() {
    let Place { directory, store, company, workflow } = Place::new().await;
    drop(store);
    let store = Store::open(directory.path(), NOW).unwrap();
    let broken = store.broken();
    assert_eq!(*broken.borrow(), None);

    let path = directory.path().join("loopfour.db");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let behind_the_first_page = file.metadata().unwrap().len() - 4096;
    file.write_all_at(&vec![0xff; behind_the_first_page as usize], 4096).unwrap();
    let before = std::fs::read(&path).unwrap();

    let error = store.workflow_version(company, workflow, 1).await.unwrap_err();
    assert_eq!(error.trouble(), Trouble::Broken);
    assert_eq!(broken.borrow().as_deref(), Some("database disk image is malformed"));
    let error = store.create_company("another", &by(), NOW).await.unwrap_err();
    let loopfour_store::CompanyError::Storage(cause) = error else { panic!("{error}") };
    assert_eq!(cause.trouble(), Trouble::Broken);
    assert_eq!(store.ready().await.unwrap_err().trouble(), Trouble::Broken);
    drop(store);
    assert_eq!(std::fs::read(&path).unwrap(), before, "nothing was written to it any more");
}
