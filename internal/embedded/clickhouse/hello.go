package clickhouse

import "encoding/binary"

// helloQuery is what clickhouse-go asks first over HTTP. The revision in the
// answer is the one it decodes all later blocks with.
const helloQuery = "SELECT displayName(), version(), revision(), timezone()"

const displayName = "posthorn-embedded"

// hello answers helloQuery with one Native block in the framing of the
// protocol version the driver asks with (54460 and later), announcing revision
// 0: the library writes Native of revision 0, so that nothing needs transcoding.
func hello(version string) []byte {
	// Block info: field 1 is_overflows = 0, field 2 bucket_num = -1, end.
	b := []byte{1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0}
	b = binary.AppendUvarint(b, 4) // columns
	b = binary.AppendUvarint(b, 1) // rows
	text := func(v string) {
		b = binary.AppendUvarint(b, uint64(len(v)))
		b = append(b, v...)
	}
	column := func(name, kind string) {
		text(name)
		text(kind)
		b = append(b, 0) // no custom serialization
	}
	column("displayName()", "String")
	text(displayName)
	column("version()", "String")
	text(version)
	column("revision()", "UInt32")
	b = binary.LittleEndian.AppendUint32(b, 0)
	column("timezone()", "String")
	text("UTC")
	return b
}
