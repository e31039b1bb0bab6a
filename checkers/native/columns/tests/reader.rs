//! Reading and writing whole histories through the public API.

use columns::export::{can_join, Writer};
use columns::sniff::Format;
use columns::{Columns, FormatError, Kind, Reader, NEMESIS, NONE, NO_VERSION};

fn read(text: &str) -> Result<Columns, FormatError> {
    let mut reader = Reader::new(None);
    reader.feed(text.as_bytes())?;
    reader.finish()
}

fn values(columns: &Columns) -> Vec<(String, String)> {
    let text = |handle| String::from_utf8(columns.texts.json(handle).into_owned()).unwrap();
    (0..columns.len()).map(|i| (text(columns.key[i]), text(columns.value[i]))).collect()
}

fn write(columns: &Columns, format: Format) -> String {
    let mut out = Vec::new();
    Writer::new(columns, format, || can_join(columns)).unwrap().write(0..columns.len(), &mut out);
    String::from_utf8(out).unwrap()
}

const HISTORY: &str = r#"{"index":0,"time":5,"process":0,"type":"invoke","f":"write","key":"a","value":1,"node":"n1"}
{"index":1,"time":6,"process":"nemesis","type":"info","f":"kill"}
{"index":2,"time":7,"process":0,"type":"ok","f":"write","key":"a","value":1,"version":9,"error":["x","y z"],"index_of_invoke":0,"session":"s"}
{"index":3,"time":8,"process":"nemesis","type":"info","f":"kill","value":{"a":[],"b":"\n"},"index_of_invoke":1}
{"index":4,"time":9,"process":7,"type":"invoke","f":"read","key":"b"}
"#;

#[test]
fn columns_hold_what_was_written() {
    let columns = read(HISTORY).unwrap();
    assert_eq!(columns.index, [0, 1, 2, 3, 4]);
    assert_eq!(columns.time, [5, 6, 7, 8, 9]);
    assert_eq!(columns.process, [0, NEMESIS, 0, NEMESIS, 7]);
    assert_eq!(columns.kind, [Kind::Invoke, Kind::Info, Kind::Ok, Kind::Info, Kind::Invoke]);
    assert_eq!(columns.pair, [2, 3, 0, 1, NONE]);
    assert_eq!(columns.version, [NO_VERSION, NO_VERSION, 9, NO_VERSION, NO_VERSION]);
    assert_eq!(columns.value[0].as_integer(), Some(1));
    assert!(columns.value[4].is_null());
    assert_eq!(columns.extra.len(), 1);
    assert_eq!(columns.extra[0].0, 2);
}

#[test]
fn json_lines_are_a_fixed_point() {
    assert_eq!(write(&read(HISTORY).unwrap(), Format::Json), HISTORY);
}

#[test]
fn edn_brings_the_same_history_back() {
    let edn = write(&read(HISTORY).unwrap(), Format::Edn);
    assert!(edn.starts_with(
        "{:index 0, :time 5, :type :invoke, :process 0, :f :write, :value [\"a\" 1], :node \"n1\"}\n"
    ));
    assert_eq!(write(&read(&edn).unwrap(), Format::Json), HISTORY);
}

#[test]
fn a_part_of_a_history_keeps_its_indexes() {
    let part: String =
        HISTORY.lines().filter(|line| !line.contains("nemesis")).map(|line| format!("{line}\n")).collect();
    let columns = read(&part).unwrap();
    assert_eq!(columns.index, [0, 2, 4]);
    assert_eq!(columns.pair, [1, 0, NONE]);
    assert_eq!(write(&columns, Format::Json), part);
}

#[test]
fn indexes_that_do_not_rise_are_counted_anew() {
    let twice = "{:process 0 :type :invoke :f :r :index 5}\n{:process 1 :type :invoke :f :r :index 5}\n";
    assert_eq!(read(twice).unwrap().index, [0, 1]);
}

#[test]
fn a_process_may_ask_again_after_info() {
    let text = "[0 :invoke :w 1]\n[0 :info :w 1]\n[0 :invoke :w 2]\n[0 :ok :w 2]\n";
    assert_eq!(read(text).unwrap().pair, [1, 0, 3, 2]);
}

#[test]
fn keys_are_split_only_on_proof() {
    let keyed = "{:process 0 :type :invoke :f :write :value [3 4]}\n{:process 1 :type :invoke :f :read :value [3 nil]}\n";
    let expected = [("3", "4"), ("3", "null")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(values(&read(keyed).unwrap()), expected);
    let line = keyed.lines().next().unwrap().to_owned() + "\n";
    let whole = ("null".to_owned(), "[3,4]".to_owned());
    assert_eq!(values(&read(&line).unwrap())[0], whole);
    let mixed = line + "{:process 1 :type :invoke :f :read :value nil}\n";
    assert_eq!(values(&read(&mixed).unwrap())[0], whole);
}

#[test]
fn a_transaction_of_two_is_no_key_and_value() {
    let text = "{:process 0 :type :invoke :f :txn :value [[:r 1 nil] nil]}\n";
    assert_eq!(values(&read(text).unwrap())[0].0, "null");
}

#[test]
fn lines_of_errors_count_from_one() {
    for (text, line) in [
        ("x", 1),
        ("\n\n{\"process\":0}", 3),
        ("[{\"process\":0,\n\"type\":\"invoke\",\"f\":\"r\"},\n{\"process\":0,\"type\":4,\"f\":\"r\"}]", 3),
        ("{:process 0 :type :invoke :f :r}\n{:process 0\n :type :invoke :f :r}", 2),
        ("0\t:invoke\t:read\tnil\n\n0\t:invoke\t:read\tnil\n", 3),
    ] {
        assert_eq!(read(text).unwrap_err().line, line, "{text}");
    }
}

#[test]
fn one_huge_event_is_not_scanned_once_a_chunk() {
    let mut reader = Reader::new(Some(Format::Json));
    let start = std::time::Instant::now();
    reader.feed(b"{\"process\":0,\"type\":\"invoke\",\"f\":\"w\",\"value\":[0").unwrap();
    for _ in 0..20_000 {
        reader.feed(&b",1234567".repeat(100)).unwrap();
    }
    reader.feed(b"]}\n").unwrap();
    assert_eq!(reader.finish().unwrap().len(), 1);
    // 16 MB in 20,000 chunks: quadratic work would take minutes.
    assert!(start.elapsed().as_secs() < 20);
}
