package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/anishathalye/porcupine"
)

// line is an event of the exchange format, as far as it matters here.
type line struct {
	Index   int64           `json:"index"`
	Time    int64           `json:"time"`
	Process json.RawMessage `json:"process"`
	Type    string          `json:"type"`
	F       string          `json:"f"`
	Key     json.RawMessage `json:"key"`
	Value   json.RawMessage `json:"value"`

	process int
	nemesis bool
}

// part is the operations on one key.
type part struct {
	key string
	ops []porcupine.Operation
}

func readLines(data []byte) ([]line, error) {
	var lines []line
	for number, text := range bytes.Split(data, []byte("\n")) {
		if len(text) == 0 {
			continue
		}
		var one line
		if err := json.Unmarshal(text, &one); err != nil {
			return nil, fmt.Errorf("line %d: %w", number+1, err)
		}
		process, err := strconv.Atoi(string(one.Process))
		one.process, one.nemesis = process, err != nil
		lines = append(lines, one)
	}
	return lines, nil
}

// readParts pairs events to operations and sorts them by key, in the order of keys' first events.
func readParts(data []byte, model string, values *Values, perKey bool) ([]part, int, error) {
	lines, err := readLines(data)
	if err != nil {
		return nil, 0, err
	}
	moments := momentsOf(lines)
	ends := pairs(lines)
	var parts []part
	places := map[string]int{}
	count := 0
	for at := range lines {
		call := &lines[at]
		if call.nemesis || call.Type != "invoke" {
			continue
		}
		var end *line
		returned := int64(len(lines))
		if ends[at] >= 0 {
			end = &lines[ends[at]]
			if end.Type != "info" {
				returned = moments[ends[at]]
			}
		}
		op, err := makeOp(model, values, call, end)
		if err != nil {
			return nil, 0, fmt.Errorf("event %d: %w", at, err)
		}
		if op == nil {
			continue
		}
		key := ""
		if perKey {
			key = canonical(call.Key)
		}
		place, known := places[key]
		if !known {
			place = len(parts)
			places[key] = place
			parts = append(parts, part{key: key})
		}
		count++
		parts[place].ops = append(parts[place].ops, porcupine.Operation{
			ClientId: call.process, Input: op, Call: moments[at], Return: returned,
		})
	}
	return parts, count, nil
}

func pairs(lines []line) []int {
	ends := make([]int, len(lines))
	running := map[int]int{}
	for at := range lines {
		ends[at] = -1
		one := &lines[at]
		if one.nemesis {
			continue
		}
		if one.Type == "invoke" {
			running[one.process] = at
		} else if begun, ok := running[one.process]; ok {
			ends[begun] = at
			delete(running, one.process)
		}
	}
	return ends
}

// momentsOf ranks events. Where times tie, invocations come before completions, so that ties only widen intervals; the
// one exception keeps the order of a process that alone both returned and asked again at that time. A history without
// times is taken in the order of its events.
func momentsOf(lines []line) []int64 {
	moments := make([]int64, len(lines))
	timeless := len(lines) > 0 && lines[0].Time == lines[len(lines)-1].Time
	for start := 0; start < len(lines); {
		end := start + 1
		for !timeless && end < len(lines) && lines[end].Time == lines[start].Time {
			end++
		}
		again, one := asksAgain(lines, start, end)
		rank := func(at int) int {
			switch {
			case one && !lines[at].nemesis && lines[at].process == again:
				return 1
			case lines[at].Type == "invoke":
				return 0
			}
			return 2
		}
		order := make([]int, 0, end-start)
		for at := start; at < end; at++ {
			order = append(order, at)
		}
		sort.SliceStable(order, func(i, j int) bool { return rank(order[i]) < rank(order[j]) })
		for offset, at := range order {
			moments[at] = int64(start + offset)
		}
		start = end
	}
	return moments
}

func asksAgain(lines []line, start, end int) (int, bool) {
	returned, again := map[int]bool{}, map[int]bool{}
	for at := start; at < end; at++ {
		one := &lines[at]
		if one.nemesis {
			continue
		}
		if returned[one.process] {
			again[one.process] = true
		}
		if one.Type != "invoke" {
			returned[one.process] = true
		}
	}
	if len(again) != 1 {
		return 0, false
	}
	for process := range again {
		return process, true
	}
	return 0, false
}

// makeOp reads an operation and its outcome as the native engines do: nil for one that constrains nothing.
func makeOp(model string, values *Values, call, end *line) (*Op, error) {
	op := &Op{open: end == nil || end.Type == "info", index: call.Index}
	var told json.RawMessage
	if end != nil {
		told = end.Value
	}
	op.told = describe(call, end)
	if end != nil && end.Type == "fail" {
		return refused(model, values, call, told, op)
	}
	known, err := fill(model, values, call, told, op)
	if !known && err == nil {
		err = fmt.Errorf("the model %s knows no function %q", model, call.F)
	}
	looksOnly := op.f == read || op.f == contains || op.f == members || op.f == total
	if err != nil || (op.open && looksOnly) {
		return nil, err
	}
	return op, nil
}

func describe(call, end *line) string {
	outcome := "?"
	if end != nil && end.Type != "info" {
		outcome = end.Type
		if canonical(end.Value) != canonical(call.Value) {
			outcome = canonical(end.Value)
		}
	}
	return fmt.Sprintf("%s(%s) -> %s", call.F, strings.Trim(canonical(call.Value), "[]"), outcome)
}

// refused: a compare-and-set that says what it saw is a read of that; all else that failed did not happen.
func refused(model string, values *Values, call *line, told json.RawMessage, op *Op) (*Op, error) {
	registers := model == "register" || model == "cas-register" || model == "kv"
	if !registers || call.F != "cas" || canonical(told) == "null" || canonical(told) == canonical(call.Value) {
		return nil, nil
	}
	op.f, op.a, op.open = read, values.of(told), false
	op.text = values.text(op.a)
	return op, nil
}

func fill(model string, values *Values, call *line, told json.RawMessage, op *Op) (bool, error) {
	switch model {
	case "register", "cas-register":
		return fillRegister(values, call, told, op)
	case "kv":
		return fillText(values, call, told, op)
	case "set":
		return fillSet(values, call, told, op)
	case "queue", "unordered-queue":
		op.f = enqueue
		op.a = values.of(call.Value)
		if call.F == "dequeue" {
			op.f, op.a = dequeue, values.of(told)
		}
		return call.F == "enqueue" || call.F == "dequeue", nil
	case "counter":
		return fillCounter(call, told, op)
	case "lock", "fenced-lock":
		return fillLock(model, call, told, op)
	}
	return false, nil
}

func fillRegister(values *Values, call *line, told json.RawMessage, op *Op) (bool, error) {
	switch call.F {
	case "read", "get":
		op.f, op.a = read, values.of(told)
	case "write", "put":
		op.f, op.a = write, values.of(call.Value)
	case "delete":
		op.f = write
	case "cas":
		old, new_, err := pairOf(call.Value)
		op.f, op.a, op.b = cas, values.of(old), values.of(new_)
		return true, err
	default:
		return false, nil
	}
	return true, nil
}

func fillText(values *Values, call *line, told json.RawMessage, op *Op) (bool, error) {
	known, err := fillRegister(values, call, told, op)
	if call.F == "append" {
		op.f, op.a, known = appendText, values.of(call.Value), true
	}
	if !known || err != nil {
		return known, err
	}
	op.text = values.text(op.a)
	op.next = values.text(op.b)
	return true, nil
}

func fillSet(values *Values, call *line, told json.RawMessage, op *Op) (bool, error) {
	op.a = values.of(call.Value)
	switch call.F {
	case "add":
		op.f = add
	case "remove":
		op.f = remove
	case "contains":
		op.f = contains
		if canonical(told) == "true" {
			op.b = 1
		}
	case "read":
		op.f, op.a = members, values.of(told)
		if !op.open && !values.learn(op.a) {
			return true, fmt.Errorf("a read of a set must see a list")
		}
	default:
		return false, nil
	}
	return true, nil
}

func fillCounter(call *line, told json.RawMessage, op *Op) (bool, error) {
	text := canonical(call.Value)
	op.f = increment
	if call.F == "read" {
		op.f, text = total, canonical(told)
	} else if call.F != "add" && call.F != "increment" {
		return false, nil
	}
	number, err := strconv.ParseInt(text, 10, 64)
	op.n = number
	if op.open && op.f == total {
		return true, nil
	}
	return true, err
}

func fillLock(model string, call *line, told json.RawMessage, op *Op) (bool, error) {
	op.a = int32(call.process)
	switch call.F {
	case "release":
		op.f = release
	case "acquire":
		op.f = acquire
		if text := canonical(told); model == "fenced-lock" && !op.open && text != "null" {
			number, err := strconv.ParseInt(text, 10, 64)
			op.n, op.b = number, 1
			return true, err
		}
	default:
		return false, nil
	}
	return true, nil
}

func pairOf(raw json.RawMessage) (json.RawMessage, json.RawMessage, error) {
	var both []json.RawMessage
	if json.Unmarshal(raw, &both) != nil || len(both) != 2 {
		return nil, nil, fmt.Errorf("the value of a cas must be [old, new]")
	}
	return both[0], both[1], nil
}
