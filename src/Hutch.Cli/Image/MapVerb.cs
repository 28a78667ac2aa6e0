using System.Collections.Generic;
using System.Globalization;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;

namespace Hutch.Cli.Image;

/// <summary>map: what an image has where, and in which file it lies.</summary>
internal static class MapVerb
{
    /// <summary>Runs the command.</summary>
    internal static int Run(Tool tool, IReadOnlyList<string> arguments)
    {
        ImageArguments common = new(tool);
        GetOpt options = new(tool, arguments, "f:s:l:hU", "help:h", "format=:f", "output=", "json", "object=", "image-opts", "force-share:U", "start-offset=:s", "max-length=:l", "untrusted");
        bool isJson = false;
        long start = 0, most = -1;
        while (options.Next() is string option)
        {
            switch (option)
            {
                case "h": return Help.Print(tool);
                case "output": isJson = ImageArguments.IsJson(options.Value); break;
                case "json": isJson = true; break;
                case "s": start = common.Size("start offset", options.Value); break;
                case "l": most = common.Size("max length", options.Value); break;
                default: common.Take(option, options.Value); break;
            }
        }
        if (options.Operands.Count != 1) throw tool.Usage("Expecting one image file name");
        ImageNode? image = common.Open(options.Operands[0], readOnly: true);
        if (image is null) return 1;
        try
        {
            return Print(tool, image, start, most, isJson) ? 0 : 1;
        }
        catch (BlockIoException e)
        {
            tool.Error($"Failed to read image metadata: {ErrorText.Of(e)}");
            return 1;
        }
        finally
        {
            Blocking.Wait(image.DisposeAsync());
        }
    }

    private static bool Print(Tool tool, ImageNode image, long start, long most, bool isJson)
    {
        if (isJson) tool.Write("[");
        else tool.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{"Offset",-16}{"Length",-16}{"Mapped to",-16}{"File"}"));
        long end = image.LengthBytes;
        if (most >= 0 && most < end - start) end = start + most;
        (long Start, ChainExtent Extent)? pending = null;
        for (long at = start; at < end;)
        {
            ChainExtent extent = Blocking.Wait(ChainExtent.FindAsync(image, at, end - at, null, default));
            if (!isJson && (extent.IsZero || !extent.IsData)) extent = new ChainExtent(extent.LengthBytes, 0, false, false, true);
            if (pending is (long from, ChainExtent before) && before.Continues(extent)) pending = (from, before with { LengthBytes = before.LengthBytes + extent.LengthBytes });
            else
            {
                if (pending is not null && !PrintEntry(tool, pending.Value.Start, pending.Value.Extent, isJson, isFirst: pending.Value.Start == start)) return false;
                pending = (at, extent);
            }
            at += extent.LengthBytes;
        }
        if (pending is not null && !PrintEntry(tool, pending.Value.Start, pending.Value.Extent, isJson, isFirst: pending.Value.Start == start)) return false;
        if (isJson) tool.WriteLine("]");
        return true;
    }

    private static bool PrintEntry(Tool tool, long start, ChainExtent extent, bool isJson, bool isFirst)
    {
        if (isJson)
        {
            string place = extent.FileOffset >= 0 ? string.Create(CultureInfo.InvariantCulture, $", \"offset\": {extent.FileOffset}") : "";
            tool.Write(string.Create(CultureInfo.InvariantCulture, $"{(isFirst ? "" : ",\n")}{{ \"start\": {start}, \"length\": {extent.LengthBytes}, \"depth\": {extent.Depth}, "
                + $"\"present\": {Word(extent.IsAllocated)}, \"zero\": {Word(extent.IsZero)}, \"data\": {Word(extent.IsData)}{place}}}"));
            return true;
        }
        if (extent is { IsData: true, FileOffset: < 0 })
        {
            tool.Error("File contains external, encrypted or compressed clusters.");
            return false;
        }
        if (extent is { IsData: true, IsZero: false })
            tool.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Hex(start),-16}{Hex(extent.LengthBytes),-16}{Hex(extent.FileOffset),-16}{extent.File?.Filename}"));
        return true;
    }

    private static string Word(bool value) => value ? "true" : "false";

    private static string Hex(long value) => value == 0 ? "0" : string.Create(CultureInfo.InvariantCulture, $"0x{value:x}");
}
