package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
)

const appendTime = "LogAppendTime"

// checkAppendTime returns an error where the records of a root stage's input
// would carry the time that their producers claim: one from the future would
// carry the arrival frontier, and every timer, away with it. For the same
// reason the brokers' clock is read from the topic of the markers only where
// brokers stamp it.
func (s *session) checkAppendTime(ctx context.Context) error {
	input := s.w.stage.Input
	of, err := s.timestampType(ctx, input)
	if err != nil {
		return err
	}
	if of != appendTime {
		return fmt.Errorf("topic %s has message.timestamp.type=%s, but its records' times must be the broker's: set it to %s", input, of, appendTime)
	}
	if to := s.w.stage.FrontierTo; len(to) > 0 {
		if of, err = s.timestampType(ctx, to[0]); err != nil {
			return err
		}
		s.stamped = of == appendTime
	}
	return nil
}

func (s *session) timestampType(ctx context.Context, topic string) (string, error) {
	configs, err := s.adm.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return "", fmt.Errorf("describing topic %s: %w", topic, err)
	}
	c, err := configs.On(topic, nil)
	if err = errors.Join(err, c.Err); err != nil {
		return "", fmt.Errorf("describing topic %s: %w", topic, err)
	}
	for _, v := range c.Configs {
		if v.Key == "message.timestamp.type" {
			return v.MaybeValue(), nil
		}
	}
	return "CreateTime", nil
}

// checkPosition returns an error where the group stands outside what a
// partition of the input holds: to go on at its start would pass over records,
// or take those of another topic for the ones that follow.
func (s *session) checkPosition(o kadm.Offset, start, end int64) error {
	switch {
	case o.At < start:
		return fmt.Errorf("records %d to %d of topic %s partition %d were deleted before group %s read them: "+
			"keep records for longer; to go on without them, stop the group and reset its offsets to earliest",
			o.At, start-1, o.Topic, o.Partition, s.w.stage.Name)
	case o.At > end:
		return fmt.Errorf("group %s stands at offset %d of topic %s partition %d, which ends at %d: "+
			"the topic was created anew, or has lost records; to go on with what it holds, stop the group and reset its offsets to earliest",
			s.w.stage.Name, o.At, o.Topic, o.Partition, end)
	}
	return nil
}
