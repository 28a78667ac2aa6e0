using System.IO;

namespace Hutch.Vmm.Display;

/// <summary>What a client can ask for. Called by the thread that reads.</summary>
internal interface IRfbRequests
{
    /// <summary>Pixels are to be sent in another format from now on.</summary>
    void SetFormat(RfbPixelFormat format);

    /// <summary>A list of encodings begins, and takes the place of the last.</summary>
    void BeginEncodings();

    /// <summary>The next encoding of the list, most wanted first.</summary>
    void AddEncoding(int encoding);

    /// <summary>The list is complete.</summary>
    void EndEncodings();

    /// <summary>A part of the screen is wanted, at once or when it has changed.</summary>
    void Request(bool incremental, int x, int y, int width, int height);

    /// <summary>A key, by what it means.</summary>
    void KeySymbol(uint symbol, bool down);

    /// <summary>A key, by where it is.</summary>
    void KeyCode(uint code, uint symbol, bool down);

    /// <summary>The client would like another size of the screen.</summary>
    void AskForSize(int width, int height);

    /// <summary>The pointer is at a place, with these buttons down.</summary>
    void Pointer(int buttons, int x, int y);
}

/// <summary>
/// The messages of a client after the handshake (RFC 6143 §7.5, QEMU's extended key event, and SetDesktopSize of the community's rfbproto). Whatever the bytes are, this ends with a request, a
/// <see cref="InvalidDataException"/> or the end of the stream.
/// </summary>
internal static class RfbMessages
{
    private const byte SetPixelFormat = 0, SetEncodings = 2, UpdateRequest = 3, KeyEvent = 4, PointerEvent = 5, CutText = 6, SetDesktopSize = 251, Qemu = 255;
    private const int MostCutText = 1 << 20, LayoutScreenBytes = 16;

    /// <summary>Reads one message and passes it on.</summary>
    internal static void ReadOne(RfbReader reader, IRfbRequests requests)
    {
        byte kind = reader.Byte();
        switch (kind)
        {
            case SetPixelFormat:
                reader.Skip(3);
                requests.SetFormat(RfbPixelFormat.Read(reader.Take(RfbPixelFormat.StructureBytes)) ?? throw new InvalidDataException("a pixel format that cannot be served"));
                break;
            case SetEncodings:
                reader.Skip(1);
                requests.BeginEncodings();
                for (int left = reader.Word(); left > 0; left--) requests.AddEncoding((int)reader.Long());
                requests.EndEncodings();
                break;
            case UpdateRequest:
                bool incremental = reader.Byte() != 0;
                requests.Request(incremental, reader.Word(), reader.Word(), reader.Word(), reader.Word());
                break;
            case KeyEvent:
                bool down = reader.Byte() != 0;
                reader.Skip(2);
                requests.KeySymbol(reader.Long(), down);
                break;
            case PointerEvent:
                int buttons = reader.Byte();
                requests.Pointer(buttons, reader.Word(), reader.Word());
                break;
            case CutText:
                reader.Skip(3);
                // A negative length is that of an extended clipboard message; neither kind has a use here.
                long length = System.Math.Abs((long)(int)reader.Long());
                if (length > MostCutText) throw new InvalidDataException("a clipboard of more than 1 MiB");
                reader.Skip((int)length);
                break;
            case SetDesktopSize:
                reader.Skip(1);
                (int width, int height) = (reader.Word(), reader.Word());
                int screens = reader.Byte();
                // There is one screen, which fills it all.
                reader.Skip(1 + (screens * LayoutScreenBytes));
                requests.AskForSize(width, height);
                break;
            case Qemu: ReadQemu(reader, requests); break;
            default: throw new InvalidDataException($"a message of the unknown kind {kind}");
        }
    }

    private static void ReadQemu(RfbReader reader, IRfbRequests requests)
    {
        byte kind = reader.Byte();
        if (kind != 0) throw new InvalidDataException($"a QEMU message of the unknown kind {kind}");
        bool down = reader.Word() != 0;
        uint symbol = reader.Long();
        requests.KeyCode(reader.Long(), symbol, down);
    }
}
