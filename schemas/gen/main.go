// Gen writes Go record types and their Avro codec from the .avsc files of a
// directory. In package schemas it writes the contract; elsewhere the schemas
// of a package's own state, which may use the contract's types:
//
//	go run github.com/posthorn/posthorn/schemas/gen -package engagement -dir . -contract ../../schemas -out state_gen.go
//
// The types of the contract are those of namespace posthorn; another package's
// own types need another namespace. The fixed type ID is the contract's
// in any namespace.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	var c config
	flag.StringVar(&c.pkg, "package", "schemas", "name of the Go package")
	flag.StringVar(&c.dir, "dir", ".", "directory of the .avsc files")
	flag.StringVar(&c.contract, "contract", "", "directory of the contract's .avsc files, to refer to as posthorn.<Name>")
	out := flag.String("out", "records_gen.go", "file to write")
	flag.Parse()
	code, err := generate(c)
	if err == nil {
		err = os.WriteFile(*out, code, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
