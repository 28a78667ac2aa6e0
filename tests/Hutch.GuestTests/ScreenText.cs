using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>Reads what is written on a machine's screen, by the font of the video BIOS: letters in cells of 16 rows, in text modes and on Linux's console.</summary>
internal static class ScreenText
{
    /// <summary>Where the font comes from.</summary>
    internal const string VideoBios = "/usr/share/seabios/vgabios-stdvga.bin";

    private const int Rows = 16, LetterCount = 128;

    private static readonly Lazy<Dictionary<UInt128, char>> Letters = new(ReadFont);

    private static ReadOnlySpan<byte> LetterA => [0, 0, 0x10, 0x38, 0x6c, 0xc6, 0xc6, 0xfe, 0xc6, 0xc6, 0xc6, 0xc6, 0, 0, 0, 0];

    /// <summary>Waits until the screen of a machine shows a text.</summary>
    /// <param name="machine">Its name.</param>
    /// <param name="text">The text, on one line.</param>
    /// <param name="folder">For the pictures.</param>
    /// <param name="seconds">Patience.</param>
    internal static async Task WaitFor(string machine, string text, TemporaryFolder folder, int seconds)
    {
        string picture = folder.File("screen.ppm"), last = "";
        for (long end = Environment.TickCount64 + (seconds * 1000L); Environment.TickCount64 < end; await Task.Delay(500))
        {
            if ((await Launcher.Run("screenshot", machine, picture)).Status != 0) continue;
            last = Read(File.ReadAllBytes(picture));
            if (last.Contains(text, StringComparison.Ordinal)) return;
        }
        Assert.Fail($"The screen did not show \"{text}\" within {seconds} s but:\n{last}");
    }

    /// <summary>The text of a picture in the format PPM, line by line; what is no letter is a blank.</summary>
    internal static string Read(byte[] ppm)
    {
        string[] header = Encoding.ASCII.GetString(ppm, 0, Math.Min(ppm.Length, 40)).Split('\n');
        int width = int.Parse(header[1].Split(' ')[0], null), height = int.Parse(header[1].Split(' ')[1], null);
        int start = header[0].Length + header[1].Length + header[2].Length + 3;
        // Text modes have letters of nine columns, the last one blank.
        int columns = width == 720 ? 9 : 8;
        StringBuilder text = new();
        for (int y = 0; y + Rows <= height; y += Rows)
        {
            for (int x = 0; x + columns <= width; x += columns) text.Append(Cell(ppm.AsSpan(start), width, x, y));
            text.Append('\n');
        }
        return text.ToString();
    }

    private static char Cell(ReadOnlySpan<byte> pixels, int width, int x, int y)
    {
        // No letter begins in the first row's first column: what is there is the background.
        ReadOnlySpan<byte> background = pixels.Slice(((y * width) + x) * 3, 3);
        UInt128 shape = 0;
        for (int row = 0; row < Rows; row++)
            for (int column = 0; column < 8; column++)
                shape = (shape << 1) | (pixels.Slice((((y + row) * width) + x + column) * 3, 3).SequenceEqual(background) ? 0u : 1u);
        return Letters.Value.GetValueOrDefault(shape, ' ');
    }

    private static Dictionary<UInt128, char> ReadFont()
    {
        byte[] bios = File.ReadAllBytes(VideoBios);
        int font = bios.AsSpan().IndexOf(LetterA) - ('A' * Rows);
        Dictionary<UInt128, char> letters = [];
        for (int letter = ' '; letter < LetterCount; letter++)
        {
            UInt128 shape = 0;
            for (int row = 0; row < Rows; row++) shape = (shape << 8) | bios[font + (letter * Rows) + row];
            letters.TryAdd(shape, (char)letter);
        }
        return letters;
    }
}
