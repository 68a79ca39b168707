// SPDX-License-Identifier: Apache-2.0

// The vendors' own Go SDKs, unmodified, over Go's crypto/tls and HTTP/2. Prints one JSON line per
// call: what the SDK returned to its caller.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"os"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
)

type result struct {
	Sdk          string `json:"sdk"`
	Kind         string `json:"kind"`
	Nonce        string `json:"nonce,omitempty"`
	Text         string `json:"text"`
	Model        string `json:"model,omitempty"`
	InputTokens  int64  `json:"input_tokens,omitempty"`
	OutputTokens int64  `json:"output_tokens,omitempty"`
	Failed       string `json:"failed,omitempty"`
}

func report(r result, err error) {
	if err != nil {
		r.Failed = err.Error()
	}
	json.NewEncoder(os.Stdout).Encode(r)
}

func nonce() string {
	bytes := make([]byte, 16)
	rand.Read(bytes)
	return hex.EncodeToString(bytes)
}

func callOpenAI(ctx context.Context) {
	client := openai.NewClient(openaioption.WithAPIKey("sk-e2e-0123456789abcdefghijklmnop"),
		openaioption.WithMaxRetries(0))
	params := func(n string) openai.ChatCompletionNewParams {
		return openai.ChatCompletionNewParams{Model: "gpt-3.5-turbo",
			Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("say hello " + n)}}
	}
	r := result{Sdk: "openai-go", Kind: "chat", Nonce: nonce()}
	whole, err := client.Chat.Completions.New(ctx, params(r.Nonce))
	if err == nil {
		r.Text, r.Model = whole.Choices[0].Message.Content, whole.Model
		r.InputTokens, r.OutputTokens = whole.Usage.PromptTokens, whole.Usage.CompletionTokens
	}
	report(r, err)

	r = result{Sdk: "openai-go", Kind: "chat stream", Nonce: nonce()}
	stream := client.Chat.Completions.NewStreaming(ctx, params(r.Nonce))
	for stream.Next() {
		if choices := stream.Current().Choices; len(choices) > 0 {
			r.Text += choices[0].Delta.Content
		}
	}
	report(r, stream.Err())
}

func callAnthropic(ctx context.Context) {
	client := anthropic.NewClient(anthropicoption.WithAPIKey("sk-ant-e2e-0123456789abcdefghijkl"),
		anthropicoption.WithMaxRetries(0))
	const model = "claude-3-opus-20240229"
	params := func(n string) anthropic.MessageNewParams {
		return anthropic.MessageNewParams{Model: model, MaxTokens: 64,
			Messages: []anthropic.MessageParam{
				anthropic.NewUserMessage(anthropic.NewTextBlock("say hello " + n))}}
	}
	r := result{Sdk: "anthropic-sdk-go", Kind: "messages", Nonce: nonce(), Model: model}
	whole, err := client.Messages.New(ctx, params(r.Nonce))
	if err == nil {
		r.Text = whole.Content[0].Text
		r.InputTokens, r.OutputTokens = whole.Usage.InputTokens, whole.Usage.OutputTokens
	}
	report(r, err)

	r = result{Sdk: "anthropic-sdk-go", Kind: "messages stream", Nonce: nonce(), Model: model}
	stream := client.Messages.NewStreaming(ctx, params(r.Nonce))
	message := anthropic.Message{}
	for stream.Next() {
		if err = message.Accumulate(stream.Current()); err != nil {
			break
		}
	}
	if err == nil {
		err = stream.Err()
	}
	if err == nil {
		r.Text = message.Content[0].Text
		r.InputTokens, r.OutputTokens = message.Usage.InputTokens, message.Usage.OutputTokens
	}
	report(r, err)
}

func main() {
	ctx := context.Background()
	callOpenAI(ctx)
	callAnthropic(ctx)
}
