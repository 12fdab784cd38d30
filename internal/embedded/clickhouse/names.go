package clickhouse

const (
	// libraryVersion is the release of libchdb this package was written for.
	libraryVersion = "26.7.3"

	// defaultDatabase exists in every data directory.
	defaultDatabase = "default"
)
