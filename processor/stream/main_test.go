package stream

import (
	"flag"
	"os"
	"testing"
)

// The tests wait for brokers and timeouts, hardly for a processor: more of them
// run at once than there are processors, unless -parallel says otherwise.
func TestMain(m *testing.M) {
	flag.Parse()
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if !set {
		if err := flag.Set("test.parallel", "12"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
