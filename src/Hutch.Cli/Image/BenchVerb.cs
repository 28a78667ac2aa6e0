using System;
using System.Collections.Generic;
using System.Globalization;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;
using Hutch.Host.Files;
using Hutch.Host.Time;

namespace Hutch.Cli.Image;

/// <summary>bench: how long many equal requests take.</summary>
internal static class BenchVerb
{
    /// <summary>Runs the command.</summary>
    internal static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        ImageArguments common = new(tool);
        GetOpt options = new(tool, arguments, "hc:d:f:ni:o:qs:S:t:wU", "help:h", "flush-interval=", "pattern=", "image-opts", "force-share:U", "no-drain");
        BenchRun run = new();
        CacheMode cache = CacheMode.Writeback;
        AioMode aio = AioMode.Auto;
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h": return Help.Print(tool);
                case "c": run.Count = (int)common.Size("request count", options.Value, 0, int.MaxValue); break;
                case "d": run.Depth = (int)common.Size("queue depth", options.Value, 0, int.MaxValue); break;
                case "n": cache = CacheMode.None; break;
                case "i": aio = AioOf(options.Value); break;
                case "o": run.Start = common.Size("offset", options.Value); break;
                case "s": run.LengthBytes = (int)common.Size("buffer size", options.Value, 1, int.MaxValue); break;
                case "S": run.StepBytes = common.Size("step_size", options.Value, 0, int.MaxValue); break;
                case "t": cache = ImageArguments.CacheOf(options.Value); break;
                case "w": run.IsWrite = true; break;
                case "flush-interval": run.FlushInterval = (int)common.Size("flush interval", options.Value, 0, int.MaxValue); break;
                case "pattern": run.Pattern = (byte)common.Size("pattern byte", options.Value, 0, 255); break;
                case "no-drain": break;
                default: common.Take(option, options.Value); break;
            }
        }
        if (options.Operands.Count != 1) throw tool.Usage("Expecting one image file name");
        if (!run.IsWrite && run.FlushInterval > 0) throw new UsageException("--flush-interval is only available in write tests");
        if (run.FlushInterval > 0 && run.FlushInterval < run.Depth) throw new UsageException("Flush interval can't be smaller than depth");
        string name = options.Operands[0];
        ImageNode? image = common.Open(name, common.Request(name, readOnly: !run.IsWrite) with { Cache = cache, Aio = aio, ContinuesInline = true });
        if (image is null) return 1;
        try
        {
            run.Begin(image);
            if (!common.IsQuiet) tool.Write(run.Describe());
            double seconds = run.Execute(image);
            if (!common.IsQuiet) tool.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Run completed in {seconds:F3} seconds."));
            return 0;
        }
        catch (BlockIoException e)
        {
            tool.Error($"Failed request: {ErrorText.Of(e)}");
            return 1;
        }
        finally
        {
            Blocking.Wait(image.DisposeAsync());
        }
    }

    /// <summary>Reads the name of a way to give requests to the kernel. Throws <see cref="UsageException"/>.</summary>
    internal static AioMode AioOf(string name) => name switch
    {
        "threads" => AioMode.Threads,
        "native" => AioMode.Auto,
        "io_uring" => AioMode.IoUring,
        _ => throw new UsageException($"Invalid aio option: {name}"),
    };

    private sealed class BenchRun
    {
        private readonly Lock _lock = new();
        private long _next, _limit;
        private int _left, _unflushed;

        internal int Count { get; set; } = 75000;

        internal int Depth { get; set; } = 64;

        internal long Start { get; set; }

        internal int LengthBytes { get; set; } = 4096;

        internal long StepBytes { get; set; }

        internal bool IsWrite { get; set; }

        internal int FlushInterval { get; set; }

        internal byte Pattern { get; set; }

        internal void Begin(ImageNode image)
        {
            if (StepBytes == 0) StepBytes = LengthBytes;
            (_next, _limit, _left) = (Start, image.LengthBytes, Count);
        }

        internal string Describe()
        {
            string text = string.Create(CultureInfo.InvariantCulture,
                $"Sending {Count} {(IsWrite ? "write" : "read")} requests, {LengthBytes} bytes each, {Depth} in parallel (starting at offset {Start}, step size {StepBytes})\n");
            return FlushInterval > 0 ? text + $"Sending flush every {FlushInterval} requests\n" : text;
        }

        internal double Execute(ImageNode image)
        {
            using NativeBuffer memory = new(LengthBytes);
            memory.Span.Fill(Pattern);
            MonotonicClock clock = new();
            long begun = clock.MonotonicNanoseconds;
            Task[] slots = new Task[Math.Max(1, Math.Min(Depth, Count))];
            for (int i = 0; i < slots.Length; i++) slots[i] = RunSlotAsync(image, new IoVector(new[] { memory.Segment(0, LengthBytes) }));
            Task.WhenAll(slots).GetAwaiter().GetResult();
            return (clock.MonotonicNanoseconds - begun) / 1e9;
        }

        private async Task RunSlotAsync(ImageNode image, IoVector vector)
        {
            while (TryTake(out long offset, out bool flushes))
            {
                ValueTask request = IsWrite ? image.WriteAsync(offset, vector, WriteFlags.None, default) : image.ReadAsync(offset, vector, default);
                await request.ConfigureAwait(false);
                if (flushes) await image.FlushAsync(default).ConfigureAwait(false);
            }
        }

        private bool TryTake(out long offset, out bool flushes)
        {
            lock (_lock)
            {
                (offset, flushes) = (_next, false);
                if (_left == 0) return false;
                _left--;
                _next = (_next + StepBytes) % Math.Max(1, _limit);
                // Not cut short at the end of the disk, and never moved to a place that is not aligned as the step is.
                if (_next > _limit - LengthBytes) _next = 0;
                if (FlushInterval > 0 && ++_unflushed == FlushInterval) (flushes, _unflushed) = (true, 0);
                return true;
            }
        }
    }
}
