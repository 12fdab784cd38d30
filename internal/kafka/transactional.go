package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// DefaultTransactionTimeout and DefaultSessionTimeout bound a failover: after
// them the broker aborts a dead member's transaction and gives its partitions
// to others.
const (
	DefaultTransactionTimeout = 10 * time.Second
	DefaultSessionTimeout     = 10 * time.Second
)

// Protocol is how the members of a group agree on who reads what.
type Protocol string

const (
	// Classic is the protocol of all Kafka versions: the members assign, here
	// cooperatively.
	Classic Protocol = "classic"
	// Consumer is the protocol of KIP-848: the broker assigns, and its own
	// group.consumer.session.timeout.ms (45 s by default) decides when a member
	// is dead. A static member that was killed is let in again only after that
	// timeout. Kafka 4.3 or newer is recommended.
	Consumer Protocol = "consumer"
)

// TxnConfig configures a member of a group that consumes one topic and produces
// in transactions.
type TxnConfig struct {
	// Group and Topic: one group reads one topic.
	Group, Topic string
	// TransactionalID fences an earlier producer with the same id.
	TransactionalID string
	// InstanceID, where set, makes the member static: it keeps its partitions
	// over a restart that is shorter than SessionTimeout.
	InstanceID string
	// TransactionTimeout and SessionTimeout have defaults of the same names.
	TransactionTimeout, SessionTimeout time.Duration
	// Protocol is Classic where empty. With Consumer the broker's own session
	// timeout counts, not SessionTimeout.
	Protocol Protocol
	// OnAssigned, OnRevoked and OnLost are called from the client's own
	// goroutine. They must be quick and must not end the transaction.
	OnAssigned, OnRevoked, OnLost func(ctx context.Context, cl *kgo.Client, partitions map[string][]int32)
	// Logger overrides Config.Logger.
	Logger *slog.Logger
}

// NewTransactional makes a consume-process-produce session. Records go to the
// partition in Record.Partition; see [PartitionFor].
//
// Call Client().ProducerID before reading state: it aborts what a dead
// predecessor with the same transactional id left open. To commit an offset in
// a transaction that consumed nothing, or to attach metadata, end it with a
// context from kgo.PreTxnCommitFnContext.
func NewTransactional(cfg Config, txn TxnConfig, extra ...kgo.Opt) (*kgo.GroupTransactSession, error) {
	if txn.Group == "" || txn.Topic == "" || txn.TransactionalID == "" {
		return nil, errors.New("making transactional client: group, topic and transactional id are all needed")
	}
	if txn.Protocol != "" && txn.Protocol != Classic && txn.Protocol != Consumer {
		return nil, fmt.Errorf("making transactional client: group protocol %q is unknown; use %s or %s", txn.Protocol, Classic, Consumer)
	}
	if txn.Logger != nil {
		cfg.Logger = txn.Logger
	}
	base, err := cfg.options()
	if err != nil {
		return nil, err
	}
	opts := append(append(base, fetchOptions()...), txn.options()...)
	sess, err := kgo.NewGroupTransactSession(append(opts, extra...)...)
	if err != nil {
		return nil, fmt.Errorf("making transactional client %s: %w", txn.TransactionalID, err)
	}
	return sess, nil
}

func (t TxnConfig) options() []kgo.Opt {
	session := t.SessionTimeout
	if session <= 0 {
		session = DefaultSessionTimeout
	}
	timeout := t.TransactionTimeout
	if timeout <= 0 {
		timeout = DefaultTransactionTimeout
	}
	opts := []kgo.Opt{
		kgo.ConsumerGroup(t.Group),
		kgo.ConsumeTopics(t.Topic),

		// A new group derives everything that is retained. An offset that is out
		// of range means that records were deleted before they were read, or that
		// the topic is another: the group must learn of it rather than skip.
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),

		// Not set, because the client always does it: wait for a predecessor's
		// pending offset commit instead of reading the offset before it, which
		// would process records twice (KIP-447).

		// Three heartbeats may be lost. Beating every second also tells members
		// of a rebalance within a second.
		kgo.SessionTimeout(session),
		kgo.HeartbeatInterval(min(time.Second, session/3)),
		// Members rejoin from a goroutine of their own, whatever the processor
		// does; one that takes longer is gone.
		kgo.RebalanceTimeout(max(15*time.Second, session)),

		kgo.TransactionalID(t.TransactionalID),
		kgo.TransactionTimeout(timeout),

		// The engine knows the partition of every record it writes.
		kgo.RecordPartitioner(kgo.ManualPartitioner()),

		// A transaction ends with a flush, so that lingering only delays it.
		kgo.ProducerLinger(0),
		// Records of all stages are written, restored and read by the sink on the
		// same few cores: snappy costs the least of them.
		kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()),
		// A dead letter may be as large as the webhook it was.
		kgo.ProducerBatchMaxBytes(MaxRecordBytes),

		// Produce blocks above this while batches are written: the limit on
		// memory for a transaction of any size.
		kgo.MaxBufferedRecords(100_000),
		kgo.ProduceRequestTimeout(timeout),
	}
	switch t.Protocol {
	case Consumer:
		// The name of the assignor that the broker is asked for, "uniform".
		opts = append(opts, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	default:
		// A partition is handed on without stopping the others.
		opts = append(opts, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	}
	if t.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(t.InstanceID))
	}
	if t.OnAssigned != nil {
		opts = append(opts, kgo.OnPartitionsAssigned(t.OnAssigned))
	}
	if t.OnRevoked != nil {
		opts = append(opts, kgo.OnPartitionsRevoked(t.OnRevoked))
	}
	if t.OnLost != nil {
		opts = append(opts, kgo.OnPartitionsLost(t.OnLost))
	}
	return opts
}
