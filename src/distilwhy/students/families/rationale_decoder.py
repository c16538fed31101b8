"""The small decoder that makes an encoder say why while it is trained."""

from typing import Any

import torch
from torch.nn import functional

from distilwhy.config import StudentConfig


class RationaleDecoder(torch.nn.Module):
    """Writes a rationale from what an encoder saw.

    With E the encoder's own input embeddings, P learned positions, and ``states`` what it saw:

        hidden = LN(blocks(E[ids] + P, states))
        logits = hidden · Eᵀ

    A block is causal self-attention, cross-attention to ``states`` and a feed-forward layer, each
    behind a norm (Xiong et al. 2020, *On Layer Normalization in the Transformer Architecture*).
    Where E is narrower than the states, one matrix widens it and, transposed, narrows back.

    E is given with each call and is none of the decoder's weights: what the decoder learns of
    words, the encoder learns with it.

    Args:
        width: The size of a state.
        embedding: The size of an embedding.
        heads: How many heads attend; they divide ``width``.
        layers: How many blocks.
        longest: How many ids it reads at most.
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
        """The hidden states over what is read so far.

        Args:
            ids: ``[targets, length]``: what is read; padding stands at its end.
            states: ``[targets, source, width]``: what the encoder saw.
            mask: ``[targets, source]``: 1 for its tokens, 0 for padding.
            words: ``[vocabulary, embedding]``: E.

        Returns:
            ``[targets, length, width]``.
        """
        length = ids.shape[1]
        read = functional.embedding(ids, words)
        hidden: torch.Tensor = read if self.widen is None else self.widen(read)
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
        """``[..., vocabulary]``: what may follow each of the hidden states."""
        narrow = hidden if self.widen is None else hidden @ self.widen.weight
        return narrow @ words.T

    def write(
        self,
        opening: int,
        end: int,
        longest: int,
        states: torch.Tensor,
        mask: torch.Tensor,
        words: torch.Tensor,
    ) -> list[list[int]]:
        """The ids that it writes for each source, by greedy decoding, without their end."""
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


def build_decoder(model: Any, limits: StudentConfig) -> RationaleDecoder:
    """A fresh decoder to go with an encoder."""
    config = model.config
    return RationaleDecoder(
        int(config.hidden_size),
        int(model.get_input_embeddings().weight.shape[1]),
        int(config.num_attention_heads),
        limits.decoder_layers,
        # An opening, a label and its marker, then a rationale; the end is never read.
        limits.max_label_tokens + limits.max_rationale_tokens + 2,
        float(getattr(config, "hidden_dropout_prob", 0.1)),
    )
