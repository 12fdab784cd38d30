package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ReleaseInstance lets a static member of the [Consumer] protocol go, once its
// client is closed, for as long as a restart takes: it keeps its partitions,
// and the broker lets the next client with the instance id in. The client's own
// request lacks the instance id (franz-go 1.22.2), Apache Kafka refuses it, and
// the next one would wait for the session timeout.
func ReleaseInstance(ctx context.Context, cfg Config, txn TxnConfig, member string) error {
	if txn.Protocol != Consumer || txn.InstanceID == "" || member == "" {
		return nil
	}
	cl, err := newClient(cfg)
	if err != nil {
		return err
	}
	defer cl.Close()
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.InstanceID = txn.Group, member, &txn.InstanceID
	req.MemberEpoch = -2 // a static member leaves, and means to come back
	resp, err := req.RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("releasing instance %s of group %s: %w", txn.InstanceID, txn.Group, err)
	}
	return nil
}
