/* chat.h - chat templates by recognised name.
 *
 * Each is written as its model's authors do:
 *   llama2      <s>[INST] <<SYS>>\nSYSTEM\n<</SYS>>\n\nUSER [/INST] ASSISTANT </s>...
 *               (Meta's reference code; texts stripped)
 *   llama3      <|begin_of_text|><|start_header_id|>ROLE<|end_header_id|>\n\n
 *               TEXT<|eot_id|>... (Meta's model card; texts stripped)
 *   chatml      <|im_start|>ROLE\nTEXT<|im_end|>\n... (no system message of its own)
 *   zephyr      <|ROLE|>\nTEXT</s>\n... (also TinyLlama)
 *   mistral     <s>[INST] SYSTEM\n\nUSER [/INST] ASSISTANT</s>... (v1: 7B 0.1 and 0.2,
 *               Mixtral), after mistral-common
 *   mistral-v3  <s>[INST]USER[/INST]ASSISTANT</s>...[INST]SYSTEM\n\nUSER[/INST] (v3: 7B
 *               0.3, Nemo); a SentencePiece vocabulary puts a space behind the brackets
 *               itself, as that of the model does
 */
#ifndef TF_CHAT_H
#define TF_CHAT_H

#include "tokenizer.h"
#include <cadre/request.h>

typedef enum tf_chat {
    TF_CHAT_NONE = -1,
    TF_CHAT_LLAMA2,
    TF_CHAT_LLAMA3,
    TF_CHAT_CHATML,
    TF_CHAT_ZEPHYR,
    TF_CHAT_MISTRAL,
    TF_CHAT_MISTRAL_V3,
    TF_N_CHATS
} tf_chat;

/* By name ("chatml"), or recognised by what a model's Jinja text writes. Local.
 * CADRE_ERR_UNSUPPORTED  unknown: lists those that are known; *out is TF_CHAT_NONE */
cadre_status tf_chat_by_name(const char *name, tf_chat *out);
cadre_status tf_chat_recognise(tf_string jinja, tf_chat *out);
const char *tf_chat_name(tf_chat chat);

/* The chat as pieces that end where the assistant speaks: *pieces [*n], pointing into
 * data and static text, to be freed by the caller; NULL on failure. *add_bos: whether
 * encode() should add BOS (it is not where the template writes it itself). Local.
 * CADRE_ERR_INPUT  no message, a role other than system, user and assistant, or an order
 *                  that the template cannot write (system anywhere but first; llama2 and
 *                  mistral: anything but user and assistant in turn, a user first and
 *                  last)
 * CADRE_ERR_NOMEM */
cadre_status tf_chat_format(tf_chat chat, const char *data, const cadre_message *messages,
                            size_t n_messages, tf_piece **pieces, size_t *n,
                            int *add_bos);

#endif
