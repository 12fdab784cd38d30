package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// transactionVersion is the level of the feature transaction.version that makes
// transactions safe against late messages of an earlier one (KIP-890 part 2):
// the default of clusters formatted by Kafka 4.0 or newer.
const transactionVersion = 2

// CheckVersion returns an error unless the cluster's transactions are of the
// kind that exactly-once processing needs: Kafka 4.0 or newer with
// transaction.version 2.
func CheckVersion(ctx context.Context, cl *kgo.Client) error {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName = "posthorn"
	req.ClientSoftwareVersion = "1"
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return fmt.Errorf("asking Kafka for its version: %w", err)
	}
	var level int16
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" {
			level = f.MaxVersionLevel
		}
	}
	if level < transactionVersion {
		return fmt.Errorf("the Kafka cluster has transaction.version %d, but %d is needed: "+
			"use Kafka 4.0 or newer; after an upgrade from an older one run "+
			"kafka-features.sh upgrade --feature transaction.version=%d", level, transactionVersion, transactionVersion)
	}
	return nil
}
