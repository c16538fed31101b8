"""The small decoder that writes rationales while an encoder is trained."""

from typing import Any

import torch
from torch.nn import functional

from distilwhy.config import StudentConfig


class RationaleDecoder(torch.nn.Module):
    """Writes a rationale from an encoder's hidden states.

    With E the encoder's input embeddings, P learnt positions, and ``states`` the hidden states:

        hidden = LN(blocks(E[ids] + P, states))
        logits = hidden · Eᵀ

    A block is causal self-attention, cross-attention to ``states`` and a feed-forward layer, each
    behind a norm (Xiong et al. 2020, *On Layer Normalization in the Transformer Architecture*).
    Where E is narrower than the states, one matrix widens it and, transposed, narrows back.

    E is passed to each call and is not one of the decoder's weights: what the decoder learns about
    words, the encoder learns too.

    Args:
        heads: The attention heads; they divide ``width``.
        longest: The most ids that it takes.
    """

    def __init__(
        self, width: int, embedding: int, heads: int, layers: int, longest: int, dropout: float
    ) -> None:
        super().__init__()
        self.positions = torch.nn.Embedding(longest, width)
        torch.nn.init.normal_(self.positions.weight, std=0.02)
        self.widen = None if embedding == width else torch.nn.Linear(embedding, width, bias=False)
        self.blocks = torch.nn.ModuleList(
            torch.nn.TransformerDecoderLayer(
                width,
                heads,
                4 * width,
                dropout,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(layers)
        )
        self.norm = torch.nn.LayerNorm(width)

    def forward(
        self, ids: torch.Tensor, states: torch.Tensor, mask: torch.Tensor, words: torch.Tensor
    ) -> torch.Tensor:
        """``[targets, length, width]``: the hidden states of the decoder.

        Args:
            ids: ``[targets, length]``: its input ids, padded at the end.
            states: ``[targets, source, width]``: the encoder's hidden states.
            mask: ``[targets, source]``: 1 for tokens of the source, 0 for padding.
            words: ``[vocabulary, embedding]``: E.
        """
        length = ids.shape[1]
        embedded = functional.embedding(ids, words)
        hidden: torch.Tensor = embedded if self.widen is None else self.widen(embedded)
        hidden = hidden + self.positions.weight[:length]
        ahead = torch.ones(length, length, dtype=torch.bool, device=ids.device).triu(1)
        for block in self.blocks:
            hidden = block(
                hidden,
                states,
                tgt_mask=ahead,
                memory_key_padding_mask=mask == 0,
                tgt_is_causal=True,
            )
        normed: torch.Tensor = self.norm(hidden)
        return normed

    def logits(self, hidden: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """The logits of the token after each hidden state: ``[..., vocabulary]``."""
        return self.narrow(hidden) @ words.T

    def narrow(self, hidden: torch.Tensor) -> torch.Tensor:
        """The hidden states as wide as the embeddings: ``[..., embedding]``."""
        return hidden if self.widen is None else hidden @ self.widen.weight

    def generate(
        self,
        opening: int,
        end: int,
        longest: int,
        states: torch.Tensor,
        mask: torch.Tensor,
        words: torch.Tensor,
    ) -> list[list[int]]:
        """At most ``longest`` ids written for each source by greedy decoding, without their end.

        ``states``, ``mask`` and ``words`` are as in ``forward``.
        """
        ids = torch.full((len(states), 1), opening, device=states.device)
        ended = torch.zeros(len(states), dtype=torch.bool, device=states.device)
        for _ in range(longest):
            last = self(ids, states, mask, words)[:, -1]
            following = self.logits(last, words).argmax(dim=-1)
            ids = torch.cat([ids, following[:, None]], dim=1)
            ended |= following == end
            if ended.all():
                break
        written = [row[1:] for row in ids.tolist()]
        return [row[: row.index(end)] if end in row else row for row in written]


def build_decoder(model: Any, student: StudentConfig) -> RationaleDecoder:
    """A fresh decoder for an encoder."""
    config = model.config
    return RationaleDecoder(
        int(config.hidden_size),
        int(model.get_input_embeddings().weight.shape[1]),
        int(config.num_attention_heads),
        student.decoder_layers,
        # A start, a label and its end, then a rationale, whose end is never an input.
        student.max_label_tokens + student.max_rationale_tokens + 2,
        float(getattr(config, "hidden_dropout_prob", 0.1)),
    )
