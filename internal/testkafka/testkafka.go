// Package testkafka runs a real Apache Kafka on loopback for tests, without
// containers: Java 17 and Maven are all it needs. Maven fetches the broker's
// jars once into the user's cache directory; a node then starts in about two
// seconds and takes about 250 MB.
//
// There are two ways to use it:
//
//   - [Brokers] gives a cluster that tests share. Its topics outlive a test, so
//     take topic, group and transactional names from [Name].
//   - [Start] gives a test a cluster of its own: to kill and restart it, or
//     because the code under test has fixed topic names.
//
// The shared cluster is the one in the environment variable
// POSTHORN_TEST_BROKERS (host:port, comma separated), which may be any Kafka of
// version 4 or newer. Without it every test process starts one for itself; run
// the tests under the command with-kafka beside this package to start a single
// one for all of them.
//
// Without Java or Maven the tests are skipped, and fail where the environment
// variable CI is set: a check that silently does not run is none.
package testkafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

// Env is the environment variable that names the brokers of the shared cluster.
const Env = "POSTHORN_TEST_BROKERS"

// startLimit bounds a start, the first one's download included.
const startLimit = 5 * time.Minute

// shared is the process's own cluster for [Brokers]. It ends with the process.
var shared = sync.OnceValues(func() (*Cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	return StartCluster(ctx, Options{})
})

// Brokers returns the seed brokers of the cluster that tests share.
func Brokers(tb testing.TB) []string {
	tb.Helper()
	if env := os.Getenv(Env); env != "" {
		return strings.Split(env, ",")
	}
	c, err := shared()
	if err != nil {
		unavailable(tb, err)
	}
	return c.Brokers()
}

// Start starts a cluster for one test, which is stopped and deleted at its end.
func Start(tb testing.TB, o Options) *Cluster {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), startLimit)
	defer cancel()
	c, err := StartCluster(ctx, o)
	if err != nil {
		unavailable(tb, err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("Kafka's log:\n%s", c.LogTail())
		}
		c.Close()
	})
	return c
}

// Name makes base unique to this call, for topics, groups and transactional ids
// on the shared cluster.
func Name(base string) string {
	id := uuid.New()
	return fmt.Sprintf("%s-%x", base, id[:6])
}

func unavailable(tb testing.TB, err error) {
	tb.Helper()
	if errors.Is(err, errNoJava) && os.Getenv("CI") == "" {
		tb.Skipf("not tested against a real Apache Kafka: %v", err)
	}
	tb.Fatalf("starting Apache Kafka: %v", err)
}
