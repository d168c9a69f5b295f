import { Metadata, ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import { grpcCode } from "../../transport/retryable.ts";
import type { Admission, Admitted } from "../../transport/server/admission.ts";
import { type Status, statusBytes } from "../../transport/server/rpc-status.ts";
import { refusalOf } from "./refusal.ts";

/** A client must have sent its whole message within this time. */
const MESSAGE_WAIT_MAX_MS = 10_000;

/**
 * Guards calls while their message is read, which grpc-js does by itself: each holds the room of
 * the largest message, and ends when it takes too long.
 *
 * @param messageBytesMax  what one call may hold
 * @param onRefusal        called for each call that was ended here
 */
export function readGuard(
  admission: Admission,
  messageBytesMax: number,
  onRefusal: () => void,
): ServerInterceptor {
  return (_method, call) => {
    let admitted: Admitted | undefined;
    let timer: NodeJS.Timeout | undefined;
    const end = (): void => {
      clearTimeout(timer);
      admitted?.release();
    };
    const intercepting: ServerInterceptingCall = new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, nextMetadata) => {
            try {
              admitted = admission.enter(messageBytesMax);
            } catch (error) {
              onRefusal();
              const { status } = refusalOf(error);
              const { code, message: details } = status;
              intercepting.sendStatus({ code, details, metadata: detailsOf(status) });
              return;
            }
            timer = setTimeout(() => {
              onRefusal();
              const details = `no whole message within ${MESSAGE_WAIT_MAX_MS} ms`;
              intercepting.sendStatus({ code: grpcCode.DEADLINE_EXCEEDED, details });
            }, MESSAGE_WAIT_MAX_MS);
            timer.unref();
            nextMetadata(metadata);
          },
          onReceiveMessage: (message, nextMessage) => {
            end();
            nextMessage(message);
          },
          onCancel: end,
        }),
      sendStatus: (status, next) => {
        end();
        next(status);
      },
    });
    return intercepting;
  };
}

/** What a status says beside its sentence. */
export function detailsOf(status: Status): Metadata {
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(statusBytes(status)));
  return metadata;
}
