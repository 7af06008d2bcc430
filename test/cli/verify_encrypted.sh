# An encrypted copy without its key: only its hash can be checked, and no more is claimed.
. "$(dirname "$0")/common.inc"
golden=$(dirname "$DUCKBACK_DEPS")/test/golden
[ -e "$golden/v68-gcm.duckdb" ] || fail "no $golden/v68-gcm.duckdb"
cp "$golden/v68-gcm.duckdb" "$golden/v68-gcm.duckdb.wal" .
echo "a secret key" >key
mkdir to
expect 0 "$duckback" copy v68-gcm.duckdb to/1.duckdb

expect 0 "$duckback" verify to
grep -q '1.duckdb: hash fits, blocks not checked' out || fail "it is called good"
grep -q 'give --key-file or --key-env' out || fail "no advice"
expect 0 "$duckback" verify to --json
grep -q '"level":"hash"' out || fail "the JSON claims more"
expect 0 "$duckback" list to
grep -q ' hash 20' out || fail "list claims more"

expect 0 "$duckback" verify to --key-file key
grep -q '1.duckdb: good (hash; .* blocks' out || fail "the blocks were not checked with the key"
# A further proof of the same bytes stays.
expect 0 "$duckback" verify to
expect 0 "$duckback" list to
grep -q ' blocks 20' out || fail "the proof by blocks is forgotten"

printf 'x' | dd of=to/1.duckdb bs=1 seek=20000 conv=notrunc 2>dd.log
expect 18 "$duckback" verify to
grep -q 'its BLAKE3 is not that of the sidecar' out || fail "a changed byte is not found"

# Without a sidecar there is no hash either.
expect 2 "$duckback" verify v68-gcm.duckdb
grep -q 'not verified: .*without the key nothing can be checked; give --key-file' out || fail "no advice"
expect 0 "$duckback" verify v68-gcm.duckdb --key-file key
