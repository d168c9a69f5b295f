// Keeps a CPU busy in Java, or in the virtual machine's own C++ below it.
//
//   java -cp FOLDER BusyJava java | string | collect [SECONDS]
//
//   java   main → serve → Express.handle → price → tax
//
// It ends itself after SECONDS, 60 when not given.
public class BusyJava {
  interface Handler {
    long handle(long value);
  }

  static final class Express implements Handler {
    public long handle(long value) {
      return price(value) + 1;
    }
  }

  // A slice is some 100 µs, so that frames are made and left often.
  static final int SLICE_ROUNDS = 100_000;
  static volatile Object kept;

  static long tax(long value) {
    for (int i = 0; i < SLICE_ROUNDS; i++) value = value * 31 + (value >>> 7) + i;
    return value;
  }

  static long price(long value) {
    return tax(value) + 1;
  }

  static long serve(Handler handler) {
    long sum = 0;
    for (int i = 0; i < 10; i++) sum += handler.handle(sum);
    return sum;
  }

  static long work(String way, Handler handler) {
    if (way.equals("java")) return serve(handler);
    if (way.equals("string")) return String.format("%d %s", System.nanoTime(), way).hashCode();
    byte[][] rows = new byte[1000][];
    for (int i = 0; i < rows.length; i++) rows[i] = new byte[4000];
    kept = rows;
    return rows.length;
  }

  public static void main(String[] words) {
    long seconds = words.length > 1 ? Long.parseLong(words[1]) : 60;
    long end = System.nanoTime() + seconds * 1_000_000_000L;
    Handler handler = new Express();
    long sum = 0;
    while (System.nanoTime() < end) sum += work(words[0], handler);
    System.out.println(sum);
  }
}
