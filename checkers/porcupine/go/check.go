package main

import (
	"encoding/json"
	"fmt"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/anishathalye/porcupine"
)

// Request is what a caller asks.
type Request struct {
	What        string          `json:"what"`
	Model       string          `json:"model"`
	Initial     json.RawMessage `json:"initial"`
	PerKey      bool            `json:"per_key"`
	TimeoutS    float64         `json:"timeout_s"`
	MemoryBytes uint64          `json:"memory_bytes"`
	Verbose     bool            `json:"verbose"`
	Explain     bool            `json:"explain"`
	Html        string          `json:"html"`
	Info        int64           `json:"info"`
	Items       []Item          `json:"items"`
	Events      bool            `json:"events"`
	Annotations []annotation    `json:"annotations"`
}

// Item is an operation, or with Request.Events half of one.
type Item struct {
	Client   int    `json:"client"`
	Input    int64  `json:"input"`
	Output   int64  `json:"output"`
	Call     int64  `json:"call"`
	Return   int64  `json:"return"`
	Kind     string `json:"kind"`
	Id       int    `json:"id"`
	Part     int    `json:"part"`
	Told     string `json:"told"`
	Metadata string `json:"metadata"`
}

type annotation struct {
	Client          int    `json:"client_id"`
	Tag             string `json:"tag"`
	Start           int64  `json:"start"`
	End             int64  `json:"end"`
	Description     string `json:"description"`
	Details         string `json:"details"`
	TextColor       string `json:"text_color"`
	BackgroundColor string `json:"background_color"`
}

func dispatch(asked *Request, data []byte, outside *callbacks) (map[string]any, error) {
	switch asked.What {
	case "judge":
		return judge(asked, data)
	case "check":
		return check(asked, outside)
	case "visualize":
		return visualize(asked, outside)
	case "release":
		infos.drop(asked.Info)
		return map[string]any{}, nil
	}
	return nil, fmt.Errorf("no such request: %q", asked.What)
}

// guard ends a check early: each step of a guarded model is refused once it is up, so that the search runs dry. Its
// answer then means nothing.
type guard struct {
	up     atomic.Bool
	reason atomic.Value
	done   chan struct{}
}

func (g *guard) raise(reason string) {
	g.reason.Store(reason)
	g.up.Store(true)
}

// watch raises the guard when the heap outgrows the limit in bytes (0: none): when what is alive after a collection
// leaves too little room to continue, or when all of the heap together is over it.
func watch(limit uint64) *guard {
	g := &guard{done: make(chan struct{})}
	if limit == 0 {
		return g
	}
	go func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-g.done:
				return
			case <-ticker.C:
				samples := []metrics.Sample{
					{Name: "/gc/heap/live:bytes"},
					{Name: "/memory/classes/heap/objects:bytes"},
					{Name: "/memory/classes/heap/unused:bytes"},
				}
				metrics.Read(samples)
				live, heap := samples[0].Value.Uint64(), samples[1].Value.Uint64()+samples[2].Value.Uint64()
				if live > limit/4*3 || heap > limit {
					g.raise("memory")
					return
				}
			}
		}
	}()
	return g
}

func (g *guard) end() string {
	close(g.done)
	if !g.up.Load() {
		return ""
	}
	return g.reason.Load().(string)
}

func (g *guard) over(model porcupine.Model) porcupine.Model {
	inner := model.Step
	model.Step = func(state, input, output interface{}) (bool, interface{}) {
		if g.up.Load() {
			return false, state
		}
		return inner(state, input, output)
	}
	return model
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// judge checks a history of the exchange format with a model of quorate's own.
func judge(asked *Request, data []byte) (map[string]any, error) {
	begun := time.Now()
	values := newValues()
	values.initial = values.of(asked.Initial)
	parts, count, err := readParts(data, asked.Model, values, asked.PerKey)
	if err != nil {
		return nil, err
	}
	model, err := modelNamed(asked.Model, values)
	if err != nil {
		return nil, err
	}
	deadline := begun.Add(seconds(asked.TimeoutS))
	g := watch(asked.MemoryBytes)
	model = g.over(model)
	whole := model
	whole.Partition = func([]porcupine.Operation) [][]porcupine.Operation { return operations(parts) }
	started, cpu := time.Now(), cpuSeconds()
	var result porcupine.CheckResult
	if asked.Html != "" {
		var info porcupine.LinearizationInfo
		result, info = porcupine.CheckOperationsVerbose(whole, nil, left(deadline))
		if err := porcupine.VisualizePath(model, info, asked.Html); err != nil {
			return nil, err
		}
	} else {
		result = porcupine.CheckOperationsTimeout(whole, nil, left(deadline))
	}
	out := map[string]any{
		"operations": count, "parts": len(parts),
		"read_s": started.Sub(begun).Seconds(), "check_s": time.Since(started).Seconds(),
		"check_cpu_s": cpuSeconds() - cpu,
	}
	if g.up.Load() {
		result, out["reason"] = porcupine.Unknown, g.reason.Load()
	} else if result == porcupine.Unknown {
		out["reason"] = "time"
	} else if asked.Explain && result == porcupine.Illegal && time.Since(started) < explainBelow {
		explain(model, parts, deadline, g, out)
	}
	g.end()
	out["result"] = string(result)
	return out, nil
}

// A verdict that took longer is given without an explanation, which may take longer still.
const (
	explainBelow = 2 * time.Second
	explainFor   = 5 * time.Second
)

// explain looks for a part that is illegal by itself, and for the longest order that Porcupine found of it.
//
// Parts are tried with little time first, so that one hard part does not hide an easy one.
func explain(model porcupine.Model, parts []part, deadline time.Time, g *guard, out map[string]any) {
	if soon := time.Now().Add(explainFor); soon.Before(deadline) {
		deadline = soon
	}
	for budget := 20 * time.Millisecond; time.Now().Before(deadline) && !g.up.Load(); budget *= 10 {
		for at := range parts {
			until := time.Now().Add(budget)
			if deadline.Before(until) {
				until = deadline
			}
			if explainPart(model, &parts[at], until, g, out) || !time.Now().Before(deadline) {
				return
			}
		}
	}
}

func explainPart(model porcupine.Model, one *part, deadline time.Time, g *guard, out map[string]any) bool {
	if porcupine.CheckOperationsTimeout(model, one.ops, left(deadline)) != porcupine.Illegal || g.up.Load() {
		return false
	}
	_, info := porcupine.CheckOperationsVerbose(model, one.ops, 0)
	if g.up.Load() {
		return false
	}
	longest := []int{}
	for _, orders := range info.PartialLinearizations() {
		for _, order := range orders {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	placed := make([]bool, len(one.ops))
	explained := make([]int64, len(longest))
	for at, id := range longest {
		placed[id] = true
		explained[at] = one.ops[id].Input.(*Op).index
	}
	rest := []int64{}
	for id := range one.ops {
		if op := one.ops[id].Input.(*Op); !placed[id] && !op.open {
			rest = append(rest, op.index)
		}
	}
	out["key"], out["explained"], out["rest"], out["part_operations"] = one.key, explained, rest, len(one.ops)
	return true
}

func operations(parts []part) [][]porcupine.Operation {
	all := make([][]porcupine.Operation, len(parts))
	for at := range parts {
		all[at] = parts[at].ops
	}
	return all
}

func seconds(amount float64) time.Duration {
	if amount <= 0 {
		return 1000 * time.Hour
	}
	return time.Duration(amount * float64(time.Second))
}

// left is what remains until the deadline; never 0, which would mean no limit.
func left(deadline time.Time) time.Duration {
	if remaining := time.Until(deadline); remaining > time.Nanosecond {
		return remaining
	}
	return time.Nanosecond
}

// store keeps what verbose checks found until the caller releases it.
type store struct {
	sync.Mutex
	next  int64
	infos map[int64]*porcupine.LinearizationInfo
}

var infos = store{infos: map[int64]*porcupine.LinearizationInfo{}}

func (s *store) keep(info *porcupine.LinearizationInfo) int64 {
	s.Lock()
	defer s.Unlock()
	s.next++
	s.infos[s.next] = info
	return s.next
}

func (s *store) drop(number int64) {
	s.Lock()
	defer s.Unlock()
	delete(s.infos, number)
}

func (s *store) get(number int64) *porcupine.LinearizationInfo {
	s.Lock()
	defer s.Unlock()
	return s.infos[number]
}
