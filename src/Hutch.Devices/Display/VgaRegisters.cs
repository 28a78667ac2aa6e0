using System;
using Hutch.Core.State;

namespace Hutch.Devices.Display;

/// <summary>
/// The registers of an IBM VGA (IBM Personal System/2 Hardware Interface Technical Reference, "Video Subsystem"), reached by the ports 0x3b0 to 0x3df one byte at a time.
/// There is no timing: the retrace bits change with every look, which is what software waits for. Called under the card's lock.
/// </summary>
internal sealed class VgaRegisters
{
    /// <summary>First port.</summary>
    internal const int FirstPort = 0x3b0;

    /// <summary>Number of ports.</summary>
    internal const int PortCount = 0x30;

    private const int SequencerCount = 8, GraphicsCount = 16, CrtcCount = 32, AttributeCount = 21, PaletteBytes = 768;
    private const byte ColourPorts = 0x01, AttributeShown = 0x20, Retraces = 0x09, CrtcProtected = 0x80;
    private const int VerticalEnd = 0x11, Overflow = 0x07, LineCompareBit = 0x10;

    private readonly byte[] _sequencer = new byte[SequencerCount], _graphics = new byte[GraphicsCount], _crtc = new byte[CrtcCount];
    private readonly byte[] _attribute = new byte[AttributeCount], _palette = new byte[PaletteBytes];
    private byte _sequencerIndex, _graphicsIndex, _crtcIndex, _attributeIndex, _misc, _feature, _status, _mask = 0xff;
    private byte _dacRead, _dacWrite, _dacPart, _dacState;
    private bool _expectsData;

    // Bits that exist, by register.
    private static ReadOnlySpan<byte> SequencerBits => [0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0x00, 0x00, 0x00];

    private static ReadOnlySpan<byte> GraphicsBits => [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff, 0, 0, 0, 0, 0, 0, 0];

    /// <summary>Sequencer registers.</summary>
    internal ReadOnlySpan<byte> Sequencer => _sequencer;

    /// <summary>Graphics controller registers.</summary>
    internal ReadOnlySpan<byte> Graphics => _graphics;

    /// <summary>CRT controller registers.</summary>
    internal ReadOnlySpan<byte> Crtc => _crtc;

    /// <summary>Attribute controller registers.</summary>
    internal ReadOnlySpan<byte> Attribute => _attribute;

    /// <summary>The screen is dark: the attribute controller is open to the processor, or the sequencer is told so.</summary>
    internal bool IsDark => (_attributeIndex & AttributeShown) == 0 || (_sequencer[1] & 0x20) != 0;

    /// <summary>Fills in the 256 colours of the palette as 0x00RRGGBB.</summary>
    /// <param name="colours">256 places.</param>
    /// <param name="hasEightBits">Each part has 8 bits; otherwise 6.</param>
    internal void ReadPalette(Span<uint> colours, bool hasEightBits)
    {
        for (int i = 0; i < 256; i++)
        {
            ReadOnlySpan<byte> colour = _palette.AsSpan(3 * (i & _mask), 3);
            colours[i] = hasEightBits ? (uint)(colour[0] << 16 | colour[1] << 8 | colour[2]) : (uint)(Widen(colour[0]) << 16 | Widen(colour[1]) << 8 | Widen(colour[2]));
        }
    }

    /// <summary>Reads a port.</summary>
    internal byte Read(int port)
    {
        if (IsAbsent(port)) return 0xff;
        switch (port)
        {
            case 0x3c0: return _expectsData ? (byte)0 : _attributeIndex;
            case 0x3c1: return (_attributeIndex & 0x1f) < AttributeCount ? _attribute[_attributeIndex & 0x1f] : (byte)0;
            case 0x3c4: return _sequencerIndex;
            case 0x3c5: return _sequencer[_sequencerIndex];
            case 0x3c6: return _mask;
            case 0x3c7: return _dacState;
            case 0x3c8: return _dacWrite;
            case 0x3c9: return ReadDac();
            case 0x3ca: return _feature;
            case 0x3cc: return _misc;
            case 0x3ce: return _graphicsIndex;
            case 0x3cf: return _graphics[_graphicsIndex];
            case 0x3b4 or 0x3d4: return _crtcIndex;
            case 0x3b5 or 0x3d5: return _crtcIndex < CrtcCount ? _crtc[_crtcIndex] : (byte)0;
            case 0x3ba or 0x3da:
                _expectsData = false;
                return _status ^= Retraces;
            default: return 0;
        }
    }

    /// <summary>Writes a port.</summary>
    /// <param name="port">The port.</param>
    /// <param name="value">The byte.</param>
    /// <param name="hasEightBits">Palette bytes are taken whole.</param>
    internal void Write(int port, byte value, bool hasEightBits)
    {
        if (IsAbsent(port)) return;
        switch (port)
        {
            case 0x3c0 or 0x3c1: WriteAttribute(value); break;
            case 0x3c2: _misc = (byte)(value & ~0x10); break;
            case 0x3c4: _sequencerIndex = (byte)(value & 7); break;
            case 0x3c5: _sequencer[_sequencerIndex] = (byte)(value & SequencerBits[_sequencerIndex]); break;
            case 0x3c6: _mask = value; break;
            case 0x3c7: (_dacRead, _dacPart, _dacState) = (value, 0, 3); break;
            case 0x3c8: (_dacWrite, _dacPart, _dacState) = (value, 0, 0); break;
            case 0x3c9:
                _palette[(3 * _dacWrite) + _dacPart] = hasEightBits ? value : (byte)(value & 0x3f);
                if (NextPart()) _dacWrite++;
                break;
            case 0x3ce: _graphicsIndex = (byte)(value & 0x0f); break;
            case 0x3cf: _graphics[_graphicsIndex] = (byte)(value & GraphicsBits[_graphicsIndex]); break;
            case 0x3b4 or 0x3d4: _crtcIndex = value; break;
            case 0x3b5 or 0x3d5: WriteCrtc(value); break;
            case 0x3ba or 0x3da: _feature = (byte)(value & 0x10); break;
        }
    }

    /// <summary>Power-on: nothing is shown, and the ports are those of a colour screen.</summary>
    internal void Reset()
    {
        foreach (byte[] registers in (byte[][])[_sequencer, _graphics, _crtc, _attribute, _palette]) Array.Clear(registers);
        _sequencerIndex = _graphicsIndex = _crtcIndex = _attributeIndex = _feature = _status = 0;
        _dacRead = _dacWrite = _dacPart = _dacState = 0;
        (_misc, _mask, _expectsData) = (ColourPorts, 0xff, false);
    }

    /// <summary>Saves or restores them.</summary>
    internal void Exchange(StateFields fields)
    {
        fields.Bytes("sequencer", _sequencer);
        fields.Bytes("graphics", _graphics);
        fields.Bytes("crtc", _crtc);
        fields.Bytes("attribute", _attribute);
        fields.Bytes("palette", _palette);
        fields.Value("sequencer-index", ref _sequencerIndex);
        fields.Value("graphics-index", ref _graphicsIndex);
        fields.Value("crtc-index", ref _crtcIndex);
        fields.Value("attribute-index", ref _attributeIndex);
        fields.Value("attribute-data", ref _expectsData);
        fields.Value("misc", ref _misc);
        fields.Value("feature", ref _feature);
        fields.Value("status", ref _status);
        fields.Value("mask", ref _mask);
        fields.Value("dac-read", ref _dacRead);
        fields.Value("dac-write", ref _dacWrite);
        fields.Value("dac-part", ref _dacPart);
        fields.Value("dac-state", ref _dacState);
        if (!fields.IsRestoring) return;
        fields.Require(_sequencerIndex < SequencerCount, "sequencer-index");
        fields.Require(_graphicsIndex < GraphicsCount, "graphics-index");
        fields.Require(_dacPart < 3, "dac-part");
        for (int i = 0; i < SequencerCount; i++) _sequencer[i] &= SequencerBits[i];
        for (int i = 0; i < GraphicsCount; i++) _graphics[i] &= GraphicsBits[i];
    }

    private static byte Widen(byte six) => (byte)(six << 2 | six >> 4 & 3);

    // One of the two places of the CRT controller's ports, by bit 0 of the miscellaneous output register.
    private bool IsAbsent(int port) => (_misc & ColourPorts) != 0 ? port is >= 0x3b0 and < 0x3c0 : port is >= 0x3d0 and < 0x3e0;

    private void WriteAttribute(byte value)
    {
        if (_expectsData)
        {
            int index = _attributeIndex & 0x1f;
            if (index < AttributeCount) _attribute[index] = index < 16 ? (byte)(value & 0x3f) : value;
        }
        else _attributeIndex = (byte)(value & 0x3f);
        _expectsData = !_expectsData;
    }

    private void WriteCrtc(byte value)
    {
        if (_crtcIndex >= CrtcCount) return;
        // The first eight may be protected, but for one bit.
        bool isProtected = _crtcIndex <= Overflow && (_crtc[VerticalEnd] & CrtcProtected) != 0;
        if (!isProtected) _crtc[_crtcIndex] = value;
        else if (_crtcIndex == Overflow) _crtc[Overflow] = (byte)((_crtc[Overflow] & ~LineCompareBit) | (value & LineCompareBit));
    }

    private byte ReadDac()
    {
        byte value = _palette[(3 * _dacRead) + _dacPart];
        if (NextPart()) _dacRead++;
        return value;
    }

    private bool NextPart()
    {
        _dacPart = (byte)((_dacPart + 1) % 3);
        return _dacPart == 0;
    }
}
